// The legal transitions of a mission, as a table. Terminal phases have no row: they absorb.

extension Mission {
  /// Every legal transition of a mission.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.pending, .admit, .draining, .fencing),
    Transition(.pending, .skip, .skipped),
    Transition(.pending, .cancel, .cancelled),
    Transition(.pending, .escalate, .pending),

    Transition(.draining, .tasksRunning, .draining),
    Transition(.draining, .sourceDrained, .fencing),
    Transition(.draining, .flightFailed, .rollingBack, .draining),
    Transition(.draining, .flightCancelled, .rollingBack, .draining),
    Transition(.draining, .tick, .rollingBack, .draining),
    Transition(.draining, .cancel, .rollingBack),
    Transition(.draining, .rollBack, .rollingBack),
    Transition(.draining, .escalate, .fencing),
    Transition(.draining, .retry, .draining),
    Transition(.draining, .abandon, .failed),

    Transition(.fencing, .databaseFenced, .promoting),
    Transition(.fencing, .flightFailed, .rollingBack, .fencing),
    Transition(.fencing, .flightCancelled, .rollingBack, .fencing),
    Transition(.fencing, .tick, .rollingBack, .fencing),
    Transition(.fencing, .cancel, .rollingBack),
    Transition(.fencing, .rollBack, .rollingBack),
    Transition(.fencing, .retry, .fencing),
    Transition(.fencing, .abandon, .failed),

    Transition(.promoting, .destinationVerified, .pendingCleanup),
    Transition(.promoting, .flightFailed, .rollingBack, .promoting),
    Transition(.promoting, .flightCancelled, .rollingBack, .promoting),
    Transition(.promoting, .tick, .rollingBack, .promoting),
    Transition(.promoting, .cancel, .rollingBack),
    Transition(.promoting, .rollBack, .rollingBack),
    Transition(.promoting, .retry, .promoting),
    Transition(.promoting, .abandon, .failed),

    Transition(.pendingCleanup, .flightSucceeded, .succeeded, .pendingCleanup),
    Transition(.pendingCleanup, .flightFailed, .pendingCleanup, .succeeded),
    Transition(.pendingCleanup, .flightCancelled, .pendingCleanup, .succeeded),
    Transition(.pendingCleanup, .tick, .pendingCleanup, .succeeded),
    Transition(.pendingCleanup, .cancel, .rollingBack),
    Transition(.pendingCleanup, .rollBack, .rollingBack),
    Transition(.pendingCleanup, .retry, .pendingCleanup),
    Transition(.pendingCleanup, .commit, .pendingCleanup),
    Transition(.pendingCleanup, .abandon, .succeeded),

    Transition(.rollingBack, .databaseFenced, .rollingBack),
    Transition(.rollingBack, .databaseReturned, .rollingBack),
    Transition(.rollingBack, .flightSucceeded, .rolledBack, .rollingBack, .failed),
    Transition(.rollingBack, .flightFailed, .failed, .rolledBack, .rollingBack),
    Transition(.rollingBack, .flightCancelled, .rollingBack, .rolledBack, .failed),
    Transition(.rollingBack, .tick, .rollingBack, .failed, .rolledBack),
    Transition(.rollingBack, .escalate, .rollingBack),
    Transition(.rollingBack, .retry, .rollingBack),
    Transition(.rollingBack, .abandon, .failed, .rolledBack),
  ]
}
