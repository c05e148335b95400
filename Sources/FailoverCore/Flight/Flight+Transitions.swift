// The legal transitions of a flight, as a table. Terminal phases have no row: they absorb.

extension Flight {
  /// Every legal transition of a flight.
  public static let transitions: [Transition<Phase, Event.Kind>] = [
    Transition(.queued, .claim, .claimed),
    Transition(.queued, .grant, .queued),
    Transition(.queued, .cancel, .cancelled),

    Transition(.claimed, .begin, .running),
    Transition(.claimed, .grant, .claimed),
    Transition(.claimed, .fail, .queued, .failed, .cancelled),
    Transition(.claimed, .release, .queued, .cancelled),
    Transition(.claimed, .expire, .queued, .failed, .cancelled),
    Transition(.claimed, .cancel, .claimed),
    Transition(.claimed, .acknowledgeCancel, .cancelled),

    Transition(.running, .checkpoint, .running),
    Transition(.running, .hold, .holding, .cancelled),
    Transition(.running, .grant, .running),
    Transition(.running, .complete, .succeeded),
    Transition(.running, .fail, .queued, .failed, .cancelled),
    Transition(.running, .release, .queued, .cancelled),
    Transition(.running, .expire, .queued, .failed, .cancelled),
    Transition(.running, .cancel, .running),
    Transition(.running, .acknowledgeCancel, .cancelled),

    Transition(.holding, .grant, .queued, .holding),
    Transition(.holding, .cancel, .cancelled),
  ]
}
