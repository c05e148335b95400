// What a Pilot reports while it flies: steps and tasks.

public import FailoverCore
internal import LibPQ

extension Flightdeck {
  /// Records that a step is done, so that whoever flies on begins behind it.
  ///
  /// - Parameters:
  ///   - flight: The flight, which was begun.
  ///   - epoch: The token of the claim.
  ///   - index: The step's index in the plan. One that is recorded already is ignored.
  ///   - evidence: The proof, if and only if the step grants a clearance.
  /// - Throws: `.staleLease`, `.notFound`, `.database`; `.illegal` if it is not the next step, if the step waits for a
  ///   clearance that is not there, or if the evidence is not the step's.
  public func checkpoint(
    _ flight: FlightID,
    epoch: LeaseEpoch,
    step index: Int,
    evidence: Evidence? = nil
  ) async throws(FlightdeckError) {
    var detail: String?
    if let evidence { detail = try Coding.encode(evidence, "the evidence of flight \(flight)") }
    let answer = try await transition(
      flight,
      epoch,
      Self.checkpoint,
      [index, evidence?.clearance.rawValue, detail],
      wakes: [.events]
    )
    try check(answer, flight, epoch, .checkpoint)
  }

  /// `$3` is the step's index, `$4` the clearance that the evidence proves, `$5` the evidence.
  private static let checkpoint: SQL = """
    with \(sql: flight), decided as (
      select *, coalesce(refusal, case
        when phase <> 'RUNNING' then 'illegal: begin comes before the first checkpoint'
        when $3 < cursor then 'duplicate'
        when $3 <> cursor or cursor >= cardinality(step_kinds) then
          'illegal: the next step is number ' || cursor || ', not ' || $3
        when step_waits[cursor + 1] is not null and not step_waits[cursor + 1] = any(clearances) then
          'illegal: step ' || step_kinds[cursor + 1] || ' must not be taken without clearance ' || step_waits[cursor + 1]
        when step_grants[cursor + 1] is distinct from $4::text then
          'illegal: step ' || step_kinds[cursor + 1] || ' needs the evidence of '
            || coalesce(step_grants[cursor + 1], 'nothing')
        else 'acted'
      end) as verdict
      from flight
    ), changed as (
      update dp_states s set cursor = s.cursor + 1 from decided d where d.verdict = 'acted' and s.flight_key = d.flight_key
    ), logged as (
      insert into dp_flight_events (flight_id, what, subject, detail)
      select flight_id, 'STEP_DONE', step_kinds[cursor + 1], $5::text from decided where verdict = 'acted'
    )
    select verdict, phase as phase_before, phase as phase_after from decided
    """

  /// Tells the control plane which tasks still run on the source.
  ///
  /// - Throws: `.staleLease`, `.notFound`, `.illegal`, `.database`. Each call is a report of its own.
  public func reportTasks(_ flight: FlightID, epoch: LeaseEpoch, tasks: [String]) async throws(FlightdeckError) {
    let detail = try Coding.encode(tasks, "the tasks of flight \(flight)")
    let answer = try await transition(flight, epoch, Self.reportTasks, [detail], wakes: [.events])
    try check(answer, flight, epoch, .checkpoint)
  }

  private static let reportTasks: SQL = """
    with \(sql: flight), decided as (
      select *, coalesce(refusal, 'acted') as verdict from flight
    ), logged as (
      insert into dp_flight_events (flight_id, what, detail)
      select flight_id, 'TASKS_RUNNING', $3::text from decided where verdict = 'acted'
    )
    select verdict, phase as phase_before, phase as phase_after from decided
    """
}
