// swift-tools-version: 6.3
import PackageDescription

/// The settings of the package itself; see ../Package.swift.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .strictMemorySafety(),
]

let package = Package(
  name: "Benchmarks",
  dependencies: [
    .package(name: "swift-failover", path: ".."),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
  ],
  targets: [
    // The private PostgreSQL of the tests. It is no product, for nobody should embed it; a link brings its sources here.
    .target(name: "BenchServer", swiftSettings: settings),
    .executableTarget(
      name: "bench",
      dependencies: [
        "BenchServer",
        .product(name: "FailoverCore", package: "swift-failover"),
        .product(name: "Flightdeck", package: "swift-failover"),
        .product(name: "LibPQ", package: "swift-failover"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings
    ),
  ],
  swiftLanguageModes: [.v6]
)
