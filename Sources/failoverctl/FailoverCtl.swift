// The command line of the control plane: the list of commands, and how errors become exit codes.

import ArgumentParser
import FailoverCore
import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The root of all commands.
@main
struct FailoverCtl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "failoverctl",
    abstract: "Move deployments from one cluster to another, without two of them ever writing to one database.",
    discussion: """
      A first failover:

        failoverctl migrate                                  prepare the control plane's database
        failoverctl apply -f fleet.yaml                      declare clusters and deployments
        failoverctl plan --from east --to west               see what would happen; nothing is changed
        failoverctl start --from east --to west --wait       do it, and follow it to the end

      To see one on this machine, with real processes and a PostgreSQL of its own: failoverctl demo

      Exit codes: 0 done; 1 the failover or the check failed; 2 wrong usage or bad input; 3 not eligible,
      a precondition failed, or drift; 4 not found; 5 server or database not reachable; 130 interrupted.
      """,
    version: Product.version,
    groupedSubcommands: [
      CommandGroup(
        name: "Fleet",
        subcommands: [Apply.self, Get.self, Describe.self, Cordon.self, Uncordon.self, Retrofit.self]
      ),
      CommandGroup(
        name: "Failover",
        subcommands: [Plan.self, Start.self, Watch.self, Failback.self, HistoryCommand.self]
      ),
      CommandGroup(
        name: "Operator",
        subcommands: [
          Cancel.self, Retry.self, Rollback.self, Escalate.self, Hold.self, Resume.self, Commit.self, Abandon.self,
          Pay.self,
        ]
      ),
      CommandGroup(
        name: "Set-up and learning",
        subcommands: [Migrate.self, DefaultsCommand.self, Diagram.self, Demo.self, DemoWorkload.self]
      ),
    ]
  )

  /// Runs the command that the arguments name, and exits with the code of the contract.
  static func main() async {
    let form: Console.Form =
      if !CommandLine.arguments.contains("--json") {
        .text
      } else {
        // What is watched is printed as it happens, an object a line, and so is what ends the watching.
        CommandLine.arguments.dropFirst().first == "watch" ? .lines : .document
      }
    do {
      var command = try parseAsRoot()
      do {
        if var command = command as? any AsyncParsableCommand {
          try await command.run()
        } else {
          try command.run()
        }
      } catch let error where !Self.isOfParser(error) {
        throw CtlError(error)
      }
      Foundation.exit(0)
    } catch let error as CtlError {
      error.report(form)
      Foundation.exit(error.code.rawValue)
    } catch {
      exitParsing(error, form)
    }
  }

  /// Whether the parser knows best what to do: help, mistakes of usage, and exit codes that were decided already.
  private static func isOfParser(_ error: any Error) -> Bool {
    let code = exitCode(for: error)
    return code == .success || code == .validationFailure || error is ExitCode
  }

  private static func exitParsing(_ error: any Error, _ form: Console.Form) -> Never {
    let message = fullMessage(for: error)
    switch exitCode(for: error) {
    case .success:
      Console.out(message)
      Foundation.exit(0)
    case .validationFailure:
      Console.note(message)
      Console.document(.object([("error", .object([("code", .integer(2)), ("message", .text(message))]))]), form)
      Foundation.exit(CtlError.Code.usage.rawValue)
    case let code: Foundation.exit(code.rawValue)
    }
  }
}
