// Follows the names between the sections: duplicates, references, residency, dependencies.

internal import FailoverCore
internal import Yams

extension FleetDraft {
  /// The file with every name followed.
  ///
  /// It is only of use if nothing was noted.
  func resolve() -> FleetFile {
    noteDuplicates(regions.map { ($0.value.name.rawValue, $0.place) }, "region")
    noteDuplicates(clusters.map { ($0.entry.cluster.name.rawValue, $0.place) }, "cluster")
    noteDuplicates(workspaces.map { ($0.name.value.rawValue, $0.name.place) }, "workspace")
    noteDuplicates(servers.map { ($0.value.name, $0.place) }, "database server")
    noteDuplicates(deployments.map { ($0.name.value.rawValue, $0.name.place) }, "deployment")

    noteSharedPlaces()
    for kind in Reference.Kind.allCases {
      let names = declaredNames(of: kind)
      let known = Set(names)
      for reference in references where reference.kind == kind && !known.contains(reference.name.value) {
        noteUnknown(reference.name.value, in: names, kind.rawValue, at: reference.name.place)
      }
    }
    followDeployments()
    DependencyCheck(deployments, declared: declared.deployments, diagnostics).run()

    var resolver = DatabaseResolver(self)
    let entries = deployments.map { draft in
      DeploymentEntry(
        deployment: Deployment(
          name: draft.name.value,
          workspace: draft.workspace.value,
          image: draft.image,
          mechanism: draft.mechanism,
          database: draft.database.flatMap { resolver.resolve($0, of: draft) },
          processes: draft.processes,
          priority: draft.priority,
          dependsOn: draft.dependsOn.map(\.value)
        ),
        cluster: draft.cluster.value,
        secrets: draft.secrets
      )
    }
    return FleetFile(
      regions: regions.map(\.value),
      clusters: clusters.map(\.entry),
      workspaces: workspaces.map { Workspace(name: $0.name.value, region: $0.region.value) },
      databaseServers: servers.map(\.value) + resolver.impliedServers,
      deployments: entries
    )
  }

  /// Notes clusters that have the same Flightdeck or the same folder: they would be one cluster with two names.
  private func noteSharedPlaces() {
    var flightdecks: [ConnectionSource: ClusterName] = [:]
    var folders: [String: ClusterName] = [:]
    for cluster in clusters {
      let (entry, name) = (cluster.entry, cluster.entry.cluster.name)
      if let other = flightdecks.updateValue(name, forKey: entry.flightdeck), other != name {
        diagnostics.add(
          "clusters '\(other)' and '\(name)' have the same Flightdeck",
          fix: "give each cluster a database of its own",
          at: cluster.place
        )
      }
      if let other = folders.updateValue(name, forKey: entry.directory), other != name {
        diagnostics.add(
          "clusters '\(other)' and '\(name)' have the same folder \(entry.directory)",
          fix: "give each cluster a folder of its own",
          at: cluster.place
        )
      }
    }
  }

  private func followDeployments() {
    var regionOfCluster: [ClusterName: RegionName] = [:]
    for cluster in clusters { regionOfCluster[cluster.entry.cluster.name] = cluster.region.value }
    var regionOfWorkspace: [WorkspaceName: RegionName] = [:]
    for workspace in workspaces { regionOfWorkspace[workspace.name.value] = workspace.region.value }
    for deployment in deployments {
      if let allowed = regionOfWorkspace[deployment.workspace.value],
        let region = regionOfCluster[deployment.cluster.value], region != allowed
      {
        diagnostics.add(
          "workspace \(deployment.workspace.value) keeps its data in region \(allowed), and cluster "
            + "\(deployment.cluster.value) stands in \(region)",
          fix: "place it on a cluster in \(allowed)",
          at: deployment.cluster.place
        )
      }
    }
  }

  private func noteDuplicates(_ names: [(name: String, place: Place)], _ kind: String) {
    var first: [String: Place] = [:]
    for (name, place) in names {
      if let earlier = first[name] {
        diagnostics.add(
          "\(kind) '\(name)' is declared twice",
          fix: "the first is in line \(earlier.mark?.line ?? 1); rename or remove one",
          at: place
        )
      } else {
        first[name] = place
      }
    }
  }

  func noteUnknown(_ name: String, in names: [String], _ kind: String, at place: Place) {
    guard !names.contains(name) else { return }
    let fix = Suggestion.fix(for: name, in: names, otherwise: "declare it in this file")
    diagnostics.add("there is no \(kind) '\(name.prefix(80))'", fix: fix, at: place)
  }
}

/// Checks what deployments depend on: it exists, is named once, is not itself, and goes round in no circle.
struct DependencyCheck {
  private let deployments: [DraftDeployment]
  private let names: [String]
  private let diagnostics: Diagnostics

  init(_ deployments: [DraftDeployment], declared: [String], _ diagnostics: Diagnostics) {
    self.deployments = deployments
    self.names = declared
    self.diagnostics = diagnostics
  }

  func run() {
    let known = Set(names)
    for deployment in deployments {
      var seen: Set<DeploymentName> = []
      for dependency in deployment.dependsOn {
        if dependency.value == deployment.name.value {
          diagnostics.add("'\(dependency.value)' depends on itself", fix: "remove it", at: dependency.place)
        } else if !seen.insert(dependency.value).inserted {
          diagnostics.add("'\(dependency.value)' is named twice", fix: "remove one", at: dependency.place)
        } else if !known.contains(dependency.value.rawValue) {
          let fix = Suggestion.fix(for: dependency.value.rawValue, in: names, otherwise: "declare it in this file")
          diagnostics.add("there is no deployment '\(dependency.value)'", fix: fix, at: dependency.place)
        }
      }
    }
    noteCircles()
  }

  /// Notes each circle once, at the entry that closes it.
  ///
  /// Without recursion: a chain of a hundred thousand deployments is a legal file.
  private func noteCircles() {
    var edges: [DeploymentName: [Placed<DeploymentName>]] = [:]
    for deployment in deployments {
      edges[deployment.name.value] = deployment.dependsOn.filter { $0.value != deployment.name.value }
    }
    var done: Set<DeploymentName> = []
    for start in deployments.map(\.name.value) where !done.contains(start) {
      var path: [(name: DeploymentName, next: Int)] = [(start, 0)]
      var onPath: Set<DeploymentName> = [start]
      while let (name, next) = path.last {
        let out = edges[name] ?? []
        guard next < out.count else {
          done.insert(name)
          onPath.remove(name)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let dependency = out[next]
        if onPath.contains(dependency.value) {
          let circle = path.map(\.name).drop { $0 != dependency.value } + [dependency.value]
          diagnostics.add(
            "the dependencies go round in a circle: \(circle.map(\.rawValue).joined(separator: " → "))",
            fix: "remove one of them",
            at: dependency.place
          )
        } else if !done.contains(dependency.value), edges[dependency.value] != nil {
          path.append((dependency.value, 0))
          onPath.insert(dependency.value)
        }
      }
    }
  }
}
