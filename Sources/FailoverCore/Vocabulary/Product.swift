// What this product is called, and which version of it this is.

/// This product.
public enum Product {
  /// The version of all its parts, which are released together.
  public static let version = "0.1.0"
}
