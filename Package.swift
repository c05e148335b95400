// swift-tools-version: 6.3
import PackageDescription

/// The settings of every target, each an upcoming or optional check of the language that a reader can rely on.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "swift-failover",
  products: [
    .library(name: "FailoverCore", targets: ["FailoverCore"]),
    .library(name: "LibPQ", targets: ["LibPQ"]),
    .library(name: "Flightdeck", targets: ["Flightdeck"]),
    .library(name: "Navigator", targets: ["Navigator"]),
    .library(name: "Pilot", targets: ["Pilot"]),
    .library(name: "FleetFile", targets: ["FleetFile"]),
    .executable(name: "failoverctl", targets: ["failoverctl"]),
    .executable(name: "navigatord", targets: ["navigatord"]),
    .executable(name: "pilotd", targets: ["pilotd"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(
      url: "https://github.com/apple/swift-configuration",
      from: "1.4.0",
      traits: [.defaults, "CommandLineArguments"]
    ),
  ],
  targets: [
    // The domain's language and its machines. Imports nothing.
    .target(name: "FailoverCore", swiftSettings: settings),
    .testTarget(
      name: "FailoverCoreTests",
      dependencies: ["FailoverCore", "FailoverModel", "Chance"],
      swiftSettings: settings
    ),

    // Chance that a seed repeats, for whatever is drawn: histories, faults, test cases.
    .target(name: "Chance", swiftSettings: settings),

    // The whole system as a value, around the real machines: what is explored and simulated.
    .target(name: "FailoverModel", dependencies: ["FailoverCore", "Chance"], swiftSettings: settings),
    .testTarget(
      name: "FailoverModelTests",
      dependencies: ["FailoverModel", "FailoverCore"],
      // Read, and rewritten, where they are.
      exclude: ["Scenarios"],
      swiftSettings: settings
    ),
    .executableTarget(
      name: "prove",
      dependencies: [
        "FailoverCore", "FailoverModel",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings
    ),

    // PostgreSQL, over libpq.
    .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .target(
      name: "LibPQ",
      dependencies: [
        "CLibPQ",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    .testTarget(name: "LibPQTests", dependencies: ["LibPQ", "PrivatePostgres", "Chance"], swiftSettings: settings),

    // A PostgreSQL server of our own, for the demo and the tests.
    .target(name: "PrivatePostgres", swiftSettings: settings),
    // The dp_flights queue of one cluster.
    .target(
      name: "Flightdeck",
      dependencies: ["FailoverCore", "LibPQ", .product(name: "Logging", package: "swift-log")],
      swiftSettings: settings
    ),
    .testTarget(
      name: "FlightdeckTests",
      dependencies: ["Flightdeck", "FailoverCore", "LibPQ", "PrivatePostgres", "Chance"],
      swiftSettings: settings
    ),

    // Data plane: claims flights and flies them.
    .target(
      name: "Pilot",
      dependencies: [
        "FailoverCore", "Flightdeck", "LibPQ",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: settings
    ),
    .testTarget(
      name: "PilotTests",
      dependencies: ["Pilot", "Flightdeck", "FailoverCore", "LibPQ", "PrivatePostgres"],
      swiftSettings: settings
    ),

    // Control plane: decides, plans, delivers, reconciles.
    .target(
      name: "Navigator",
      dependencies: [
        "FailoverCore", "Flightdeck", "LibPQ",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    .testTarget(
      name: "NavigatorTests",
      dependencies: [
        "Navigator", "Flightdeck", "FailoverCore", "LibPQ", "PrivatePostgres", "Chance",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings
    ),

    // The fleet file: what an operator declares, read and checked.
    .target(
      name: "FleetFile",
      dependencies: ["FailoverCore", .product(name: "Yams", package: "Yams")],
      swiftSettings: settings
    ),
    // What the daemons share: settings from flags, environment and file; logs; waiting for databases.
    .target(
      name: "DaemonKit",
      dependencies: [
        "FleetFile", "LibPQ",
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    .executableTarget(
      name: "navigatord",
      dependencies: [
        "DaemonKit", "FailoverCore", "FleetFile", "LibPQ", "Navigator",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    .executableTarget(
      name: "pilotd",
      dependencies: [
        "DaemonKit", "FailoverCore", "Flightdeck", "LibPQ", "Pilot",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    // What the demo and the chaos run share: a workload with real tasks, and signals.
    .target(name: "Rehearsal", dependencies: ["LibPQ"], swiftSettings: settings),
    .executableTarget(
      name: "failoverctl",
      dependencies: [
        "FailoverCore", "FleetFile", "Flightdeck", "LibPQ", "Navigator", "Pilot", "PrivatePostgres", "Rehearsal",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    .testTarget(
      name: "FailoverctlTests",
      dependencies: ["FailoverCore", "LibPQ", "PrivatePostgres", "failoverctl", "navigatord", "pilotd"],
      swiftSettings: settings
    ),
    .testTarget(name: "FleetFileTests", dependencies: ["FleetFile", "FailoverCore"], swiftSettings: settings),

    // Chaos on real processes: the faults' plan and what judges the history, and the run itself.
    .target(name: "ChaosHistory", dependencies: ["Chance"], swiftSettings: settings),
    .testTarget(name: "ChaosTests", dependencies: ["ChaosHistory"], swiftSettings: settings),
    .executableTarget(
      name: "chaos",
      dependencies: [
        "ChaosHistory", "Chance", "LibPQ", "PrivatePostgres", "Rehearsal",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: settings
    ),
    // What the fuzzers of the nested package call, and the tests with all that was ever found.
    .target(name: "FuzzTargets", dependencies: ["FailoverCore", "FleetFile", "Flightdeck"], swiftSettings: settings),
    // Plants faults and sees the checks go red.
    .executableTarget(name: "mutants", swiftSettings: settings),
    .testTarget(name: "MutantsTests", dependencies: ["mutants"], swiftSettings: settings),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: settings),

    .testTarget(name: "PrivatePostgresTests", dependencies: ["PrivatePostgres"], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
