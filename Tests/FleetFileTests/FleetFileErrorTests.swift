// What a broken fleet file is answered, one mistake after the other.

import FailoverCore
import FleetFile
import Foundation
import Testing

/// One mistake and the line that it is answered with.
struct Mistake: Sendable, CustomTestStringConvertible {
  let old: String
  let new: String
  let answer: String
  var testDescription: String { new.isEmpty ? "without \(old)" : String(new.prefix(60)) }

  init(_ old: String, _ new: String, _ answer: String) { (self.old, self.new, self.answer) = (old, new, answer) }
}

@Suite("A broken fleet file")
struct FleetFileErrorTests {
  static let mistakes: [Mistake] = [
    Mistake(
      "capacity: 10",
      "capasity: 10",
      "11:5: clusters[1]: unknown key 'capasity'; did you mean 'capacity'?"
    ),
    Mistake("regions:\n", "region:\n", "1:1: 'regions' is missing; add 'regions: […]'"),
    Mistake("  - name: eu", "  - enabled: true", "2:5: regions[0]: 'name' is missing; add 'name: eu'"),
    Mistake(
      "- name: west",
      "- name: West",
      "9:11: clusters[1].name: 'West' is not a valid name: it holds a character other than a-z, 0-9 and '-'; "
        + "use 1 to 63 characters of a-z, 0-9 and '-', beginning and ending with a letter or a digit"
    ),
    Mistake(
      "- name: west",
      "- name: east",
      "9:11: clusters[1].name: cluster 'east' is declared twice; the first is in line 4; rename or remove one"
    ),
    Mistake(
      "capacity: 10",
      "capacity: many",
      "11:15: clusters[1].capacity: expected a whole number, found 'many'; write a number from 0 to 100000"
    ),
    Mistake(
      "capacity: 10",
      "enabled: 7",
      "11:14: clusters[1].enabled: expected true or false, found '7'; write true or false"
    ),
    Mistake(
      "driver: {process: {directory: /srv/west}}",
      "driver: {kubernetes: {context: west}}",
      "13:14: clusters[1].driver.kubernetes: this build has the process driver only; use 'process: {directory: …}'"
    ),
    Mistake(
      "flightdeck: {url: \"postgresql://deck@localhost/west\"}",
      "flightdeck: {urlFile: west.url}",
      "12:27: clusters[1].flightdeck.urlFile: there is no file /fleet/west.url; "
        + "create it; relative paths start from the folder of the fleet file"
    ),
    Mistake(
      "url: postgresql://admin:hidden@localhost/postgres",
      "url: mysql://admin:hidden@localhost/postgres",
      "16:10: databaseServers[0].url: it is not a PostgreSQL URL; "
        + "write postgresql://user@host:port/database, or keep it in a file and name that with 'urlFile'"
    ),
    Mistake(
      "workspace: shop\n    cluster: east\n    image: orders:1",
      "workspace: shpo\n    cluster: east\n    image: orders:1",
      "22:16: deployments[0].workspace: there is no workspace 'shpo'; did you mean 'shop'?"
    ),
    Mistake(
      "cluster: east\n    image: orders:1",
      "cluster: north\n    image: orders:1",
      "23:14: deployments[0].cluster: there is no cluster 'north'; use one of: east, west"
    ),
    Mistake(
      "image: orders:1",
      "image: ''",
      "24:12: deployments[0].image: it is empty; write for example 'image: registry.example/orders:1'"
    ),
    Mistake(
      "image: orders:1",
      "image: orders:1\n    mechanism: gitsync",
      "25:16: deployments[0].mechanism: 'gitsync' is not a value of 'mechanism'; did you mean 'gitSync'?"
    ),
    Mistake(
      "database: {server: main}",
      "database: {server: mian}",
      "25:24: deployments[0].database.server: there is no database server 'mian'; did you mean 'main'?"
    ),
    Mistake(
      "database: {server: main}",
      "database: {server: main, roles: {east: a, west: a}}",
      "25:53: deployments[0].database.roles.west: clusters 'east' and 'west' have the same role 'a'; "
        + "give each cluster a role of its own: only one of them may connect at a time"
    ),
    Mistake(
      "database: {server: main}",
      "database: {server: main, roles: {east: a, wset: b}}",
      "25:47: deployments[0].database.roles.wset: there is no cluster 'wset'; did you mean 'west'?"
    ),
    Mistake(
      "database: {server: main}",
      "database: {server: main, roles: {west: a}}",
      "25:15: deployments[0].database: 'roles' has no role for cluster 'east', where the deployment is placed; "
        + "add 'east: orders_east'"
    ),
    Mistake(
      "database: {server: main}",
      "database: {server: main, name: Orders}",
      "25:36: deployments[0].database.name: 'Orders' is not a usable database name: "
        + "it holds a character other than a-z, 0-9 and '_'; "
        + "use 1 to 63 characters of a-z, 0-9 and '_', beginning with a letter or '_'"
    ),
    Mistake(
      "database: {server: main}",
      "database: {server: \"postgresql://a:hidden@db/postgres\"}",
      "25:24: deployments[0].database.server: the URL holds a password; "
        + "declare the server under 'databaseServers' with 'urlFile', and name it here"
    ),
    Mistake(
      "TOKEN: {value: \"s3cr3t\"}",
      "TOKEN: {file: token}",
      "27:21: deployments[0].secrets.TOKEN.file: there is no file /fleet/token; "
        + "create it; relative paths start from the folder of the fleet file"
    ),
    Mistake(
      "TOKEN: {value: \"s3cr3t\"}",
      "TOKEN: {env: NOT_SET}",
      "27:20: deployments[0].secrets.TOKEN.env: the environment variable 'NOT_SET' is not set; "
        + "set it for this command, or use 'file'"
    ),
    Mistake(
      "TOKEN: {value: \"s3cr3t\"}",
      "TOKEN: {value: a, env: KEY_OF_HOME}",
      "27:7: deployments[0].secrets.TOKEN: a secret comes from exactly one of 'value', 'file' and 'env'; "
        + "write for example 'TOKEN: {file: secrets/TOKEN}'"
    ),
    Mistake(
      "TOKEN: {value: \"s3cr3t\"}",
      "DATABASE_URL: {value: a}",
      "27:7: deployments[0].secrets.DATABASE_URL: 'DATABASE_URL' is set by the driver itself; use another name"
    ),
    Mistake(
      "environment: {MODE: fast, EMPTY: }",
      "environment: {TOKEN: fast}",
      "31:21: deployments[0].process.environment.TOKEN: 'TOKEN' is a secret too; keep one of the two"
    ),
    Mistake(
      "command: [./work, --fast]",
      "command: []",
      "30:16: deployments[0].process.command: the command is empty; name a program first"
    ),
    Mistake(
      "command: [./work, --fast]",
      "command: [./work, [a]]",
      "30:25: deployments[0].process.command[1]: expected a text, found a list; write one plain value"
    ),
    Mistake(
      "- {name: worker, command: [./worker]}",
      "- {name: web, command: [./worker]}",
      "42:16: deployments[1].process[1].name: the process 'web' is declared twice; "
        + "give each process of a deployment its own name"
    ),
    Mistake(
      "dependsOn: [orders]",
      "dependsOn: [order]",
      "39:17: deployments[1].dependsOn[0]: there is no deployment 'order'; did you mean 'orders'?"
    ),
    Mistake(
      "dependsOn: [orders]",
      "dependsOn: [billing-eu]",
      "39:17: deployments[1].dependsOn[0]: 'billing-eu' depends on itself; remove it"
    ),
    Mistake(
      "database: {server: main}",
      "dependsOn: [billing-eu]",
      "39:17: deployments[1].dependsOn[0]: the dependencies go round in a circle: orders → billing-eu → orders; "
        + "remove one of them"
    ),
    Mistake(
      "  - name: eu\n",
      "  - name: eu\n  - {name: us}\n  - name: eu\n",
      "4:11: regions[2].name: region 'eu' is declared twice; the first is in line 2; rename or remove one"
    ),
    Mistake(
      "  - name: shop\n    region: eu",
      "  - {name: shop, region: us}",
      "18:26: workspaces[0].region: there is no region 'us'; use one of: eu"
    ),
    Mistake(
      "name: eu\nclusters:",
      "name: eu\n    name: us\nclusters:",
      "2:5: a map holds the key 'name' twice; mend the YAML"
    ),
    Mistake(
      "regions:\n",
      "regions: [\n",
      "2:3: not valid YAML: while parsing a flow node, did not find expected node content"
    ),
  ]

  @Test func `tells wrong references of entries that have other mistakes too, all at once`() {
    let text = Samples.whole
      .replacingOccurrences(
        of: "    workspace: shop\n    cluster: east\n    image: orders:1\n",
        with: "    workspace: shopp\n    cluster: esat\n"
      )
      .replacingOccurrences(of: "    region: eu\n    capacity: 10", with: "    region: ue\n    capacity: many")
      .replacingOccurrences(of: "database: {server: main}", with: "database: {server: mian}")
    let problems = Samples.problems(text)
    for wanted in [
      "there is no workspace 'shopp'", "there is no cluster 'esat'", "there is no region 'ue'",
      "there is no database server 'mian'", "'image' is missing",
    ] {
      #expect(problems.contains { $0.contains(wanted) }, "\(wanted): \(problems)")
    }
  }

  @Test(arguments: mistakes)
  func `is answered with the place, the mistake and the way out`(mistake: Mistake) {
    let problems = Samples.problems(replacing: mistake.old, with: mistake.new)
    #expect(problems.contains { $0 == mistake.answer || $0.contains(mistake.answer) }, "\(problems)")
  }

  @Test func `is answered with all its mistakes at once, in the order of the file`() {
    let text = Samples.whole
      .replacingOccurrences(of: "capacity: 10", with: "capasity: 10")
      .replacingOccurrences(of: "image: orders:1", with: "imgae: orders:1")
      .replacingOccurrences(of: "dependsOn: [orders]", with: "dependsOn: [order]")
      .replacingOccurrences(of: "- {name: web, command: ./web}", with: "- {name: web}")
    #expect(
      Samples.problems(text) == [
        "11:5: clusters[1]: unknown key 'capasity'; did you mean 'capacity'?",
        "21:5: deployments[0]: 'image' is missing; add 'image: registry.example/orders:1'",
        "24:5: deployments[0]: unknown key 'imgae'; did you mean 'image'?",
        "39:17: deployments[1].dependsOn[0]: there is no deployment 'order'; did you mean 'orders'?",
        "41:9: deployments[1].process[0]: 'command' is missing; add 'command: [./work]'",
      ]
    )
  }

  @Test func `never shows a secret or a password`() {
    let text = Samples.whole
      .replacingOccurrences(of: "{value: \"s3cr3t\"}", with: "{value: [s3cr3t]}")
      .replacingOccurrences(of: "postgresql://admin:hidden", with: "postgres-admin:hidden")
    let problems = Samples.problems(text)
    #expect(problems.count == 2, "\(problems)")
    #expect(!problems.joined().contains("s3cr3t") && !problems.joined().contains("hidden"))
  }

  @Test func `may not place a deployment outside its workspace's region`() {
    let problems = Samples.problems(
      Samples.whole
        .replacingOccurrences(of: "  - name: eu\n", with: "  - name: eu\n  - name: us\n")
        .replacingOccurrences(of: "  - name: shop\n    region: eu", with: "  - name: shop\n    region: us")
    )
    #expect(
      problems.contains {
        $0.contains("workspace shop keeps its data in region us, and cluster east stands in eu; place it on a cluster")
      }
    )
  }

  @Test func `may not give two deployments one database or one role`() {
    let problems = Samples.problems(
      replacing: "priority: 5",
      with: "database: {server: main, name: orders, roles: {east: orders_east, west: other}}"
    )
    #expect(
      problems == [
        "38:36: deployments[1].database.name: database 'orders' on server 'main' is deployment orders's; "
          + "give each deployment a database of its own",
        "38:58: deployments[1].database.roles.east: role 'orders_east' is deployment orders's; "
          + "give each deployment roles of its own",
      ]
    )
  }

  @Test(arguments: ["", "# nothing\n", "~\n"])
  func `that is empty is answered so`(text: String) {
    #expect(Samples.problems(text) == ["1:1: the file is empty; begin with 'regions:'; see Docs/FleetFile.md"])
  }

  @Test func `that is a list is answered so`() {
    #expect(Samples.problems("- a\n").first?.hasPrefix("1:1: expected a map, found a list") == true)
  }

  @Test func `that is nested without end is refused, not followed`() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(Samples.problems(deep).first?.contains("not valid YAML") == true)
  }

  @Test func `that doubles itself by aliases is refused as what it is`() {
    var text = "a0: &a0 [x, x]\n"
    for level in 1...60 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    #expect(Samples.problems(text).contains { $0.contains("unknown key 'a60'") })
  }

  @Test func `with aliases that unfold for ever in a key is refused where the key is`() {
    var text = "a0: &a0 [x, x]\n"
    for level in 1...60 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    let problem =
      "a key that is no plain word, in a file with aliases that unfold to very much; use a plain word as the key"
    #expect(Samples.problems(text + "? *a60\n: 1\n") == ["62:1: \(problem)"])
    #expect(Samples.problems(text + "*a60 : 1\n") == ["62:1: \(problem)"])
    #expect(Samples.problems(text + "b: {[*a60]: 1}\n") == ["62:10: \(problem)"])
    // Only what looks like such a key, and unfolds to little.
    #expect(Samples.problems("a: &a 1\nb: [*a, \"[::1]:80\"]").allSatisfy { !$0.contains("unfold") })
  }

  @Test func `with aliases nested in each other beyond the depth of a stack is refused`() {
    var text = ""
    for level in 0..<60 {
      let inner = level == 0 ? "x" : "*a\(level - 1)"
      text += "a\(level): &a\(level) " + String(repeating: "[", count: 900) + inner
      text += String(repeating: "]", count: 900) + "\n"
    }
    #expect(Samples.problems(text) == ["1:1: its aliases may be nested more than 10000 levels deep; use fewer anchors"])
  }

  @Test func `with a server by URL that takes the name of a declared one is refused`() {
    let problems = Samples.problems(replacing: "{server: main}", with: "{server: \"postgres://u@main/p\"}")
    #expect(problems.isEmpty)
    let shared = Samples.whole.replacingOccurrences(of: "- name: main", with: "- name: h-5432")
      .replacingOccurrences(of: "{server: main}", with: "{server: \"postgres://u@h/p\"}")
    #expect(
      Samples.problems(shared) == [
        "25:24: deployments[0].database.server: the URL's server would be called 'h-5432', as one of 'databaseServers' is; "
          + "name that one here, or give it another name"
      ]
    )
  }

  @Test func `with a thousand mistakes lists the first and counts the rest`() {
    let text = (1...1000).map { "key\($0): 1\n" }.joined()
    do {
      _ = try FleetFile(text, name: "fleet.yaml", in: Samples.surroundings)
      Issue.record("the file was accepted")
    } catch {
      #expect("\(error)".hasSuffix("fleet.yaml: and 903 more problems; mend these first"))
    }
  }

  @Test func `that does not exist, is a folder or is not text cannot be read`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fleetfile-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
    }
    let binary = folder.appendingPathComponent("binary").path
    try Data([0x61, 0x0a, 0xc3, 0xa9, 0x62, 0xff]).write(to: URL(fileURLWithPath: binary))
    let long = folder.appendingPathComponent("long").path
    try Data(repeating: 0x20, count: FleetFileLimits.bytes + 1).write(to: URL(fileURLWithPath: long))
    for (path, reason) in [
      ("/nowhere/fleet.yaml", "there is no such file"), (folder.path, "it is a folder"),
      (long, "it has more than 16 MiB"),
    ] {
      #expect(throws: FleetFileError.unreadable(path: path, reason: reason)) {
        try FleetFile(contentsOf: path, environment: [:])
      }
    }
    #expect {
      try FleetFile(contentsOf: binary, environment: [:])
    } throws: { error in
      "\(error)" == "\(binary):2:3: it is not UTF-8 text; save it as UTF-8"
    }
  }

  @Test func `with a chain of ten thousand dependencies is read`() throws {
    var text = Samples.whole
    for number in 1...10_000 {
      text += """
          - name: d\(number)
            workspace: shop
            cluster: east
            image: i
            process: {command: w}
            dependsOn: [\(number == 1 ? "orders" : "d\(number - 1)")]

        """
    }
    #expect(try FleetFile(text, name: "f", in: Samples.surroundings).deployments.count == 10_002)
  }
}
