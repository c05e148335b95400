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
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
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
        .product(name: "Navigator", package: "swift-failover"),
        .product(name: "Pilot", package: "swift-failover"),
        // Started beside the benchmark, from the same folder.
        .product(name: "navigatord", package: "swift-failover"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
  ],
  swiftLanguageModes: [.v6]
)
