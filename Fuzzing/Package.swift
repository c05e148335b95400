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
  name: "Fuzzing",
  dependencies: [.package(name: "swift-failover", path: "..")],
  targets: [
    // What the tests call too. It is no product, for nobody should embed it; a link brings its sources here.
    .target(
      name: "FuzzTargets",
      dependencies: [
        .product(name: "FailoverCore", package: "swift-failover"),
        .product(name: "FleetFile", package: "swift-failover"),
        .product(name: "Flightdeck", package: "swift-failover"),
      ],
      swiftSettings: settings
    ),
    // libFuzzer brings the main function.
    .executableTarget(
      name: "fuzz",
      dependencies: ["FuzzTargets"],
      swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]
    ),
  ],
  swiftLanguageModes: [.v6]
)
