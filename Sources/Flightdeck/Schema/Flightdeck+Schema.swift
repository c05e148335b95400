// The tables, as numbered migrations.

internal import FailoverCore
internal import LibPQ

extension Flightdeck {
  /// Brings the schema up to date.
  ///
  /// Any number of processes may call it at once. It also lifts the lease epochs above all that an earlier database of the cluster can
  /// have given: what drives the workloads remembers those, also when the database was restored from a backup or made anew.
  ///
  /// It needs a role that may create the schema, or that owns it.
  ///
  /// - Throws: `.conflict` if the schema holds the flights of another cluster; `.database` with the kind `.migration` if it
  ///   is newer than this program.
  public func migrate() async throws(FlightdeckError) {
    precondition(settings.schema.utf8.count <= 50 && !settings.schema.isEmpty, "a schema's name has 1 to 50 bytes")
    let settings = settings
    let cluster = cluster
    let owner = try await withConnection { connection throws(FlightdeckError) in
      do throws(PostgresError) {
        let migrations = try PostgresMigrations(
          schema: settings.schema,
          table: "dp_migrations",
          Self.migrations(settings)
        )
        try migrations.migrate(on: connection)
        // Microseconds since 1970: no Flightdeck claims a flight each microsecond. The margin is more than can be claimed between the
        // look and the setting, so that no number is given twice when the clock was set back.
        _ = try connection.query(
          """
          select setval('\(identifier: settings.schema).dp_tokens', clock.now)
          from \(identifier: settings.schema).dp_tokens,
            (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now) clock
          where last_value < clock.now - 1000000
          """
        )
        let rows = try connection.query(
          """
          with added as (
            insert into \(identifier: settings.schema).dp_plane (cluster) values ($1)
            on conflict (singleton) do nothing returning cluster
          )
          select cluster from added union all select cluster from \(identifier: settings.schema).dp_plane
          """,
          [cluster.rawValue]
        )
        // Two that migrate a new schema at once: the one that lost sees nothing before its next statement.
        if let row = rows.first { return try row.decode(0, as: String.self) }
        let again = try connection.query("select cluster from \(identifier: settings.schema).dp_plane")
        return try again.first?.decode(0, as: String.self) ?? cluster.rawValue
      } catch {
        throw FlightdeckError.database(error)
      }
    }
    guard owner == cluster.rawValue else {
      throw .conflict(
        "schema '\(settings.schema)' holds the Flightdeck of cluster '\(owner)', not of '\(cluster)'; "
          + "give each cluster a database or a schema of its own"
      )
    }
  }

  private static func migrations(_ settings: FlightdeckSettings) -> [PostgresMigration] {
    [
      PostgresMigration(
        1,
        "the queue",
        "set local search_path to \(identifier: settings.schema), pg_temp; \(sql: queue)"
      )
    ]
  }

  /// The tables of the queue.
  ///
  /// A flight's state is one narrow row of `dp_states`, which is also its lock: whoever changes the flight locks that row
  /// first, in a statement of its own, and acts in the next one, whose snapshot is newer than the lock. The tables beside
  /// it say where a flight waits. Their rows are inserted and deleted, never updated, so that a claim reads nothing but
  /// what can be claimed. There are no foreign keys between them: each would lock a row of `dp_flights` per change.
  private static let queue: SQL = """
    -- What a Pilot needs to fly, as it was delivered; never changed. The key keeps the other tables narrow.
    create table dp_flights (
      flight_key bigint generated always as identity primary key,
      flight_id text not null unique,
      deployment text not null,
      priority smallint not null,
      step_kinds text[] not null,
      step_waits text[] not null,
      step_grants text[] not null,
      content text not null,
      accepted_at timestamptz not null default clock_timestamp(),
      check (cardinality(step_kinds) > 0
        and cardinality(step_waits) = cardinality(step_kinds)
        and cardinality(step_grants) = cardinality(step_kinds))
    );
    -- Which flight of a deployment is the newest: retention keeps it.
    create index dp_flights_deployment on dp_flights (deployment, flight_key);

    -- Where each flight is. The free space lets its updates stay on the page, without touching the index.
    create table dp_states (
      flight_key bigint primary key,
      phase text not null default 'QUEUED'
        check (phase in ('QUEUED', 'CLAIMED', 'RUNNING', 'HOLDING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
      -- The newest token that ever claimed it.
      token bigint,
      cursor smallint not null default 0,
      attempts integer not null default 0,
      takeovers integer not null default 0,
      cancel_requested boolean not null default false,
      -- Sorted.
      clearances text[] not null,
      -- While it is HOLDING.
      waits_for text,
      -- While it is QUEUED.
      not_before timestamptz,
      -- Once it has FAILED.
      failure_code text,
      failure_step text,
      failure_message text,
      -- Once it has ended.
      ended_at timestamptz,
      check ((ended_at is not null) = (phase in ('SUCCEEDED', 'FAILED', 'CANCELLED'))),
      check ((phase = 'HOLDING') = (waits_for is not null)),
      check ((phase = 'FAILED') = (failure_code is not null))
    ) with (fillfactor = 60);
    create index dp_states_ended on dp_states (ended_at) where ended_at is not null;

    -- What can be claimed now. Claims read it by its primary key, lane by lane.
    create table dp_ready (
      priority smallint not null,
      ready_seq bigint generated always as identity,
      flight_key bigint not null unique,
      ready_at timestamptz not null default clock_timestamp(),
      primary key (priority, ready_seq)
    );
    -- What rests until a time.
    create table dp_deferred (
      flight_key bigint primary key,
      due_at timestamptz not null
    );
    create index dp_deferred_due on dp_deferred (due_at);
    -- What waits for a clearance.
    create table dp_holding (
      flight_key bigint primary key,
      clearance text not null,
      since timestamptz not null default clock_timestamp()
    );
    -- What a Pilot has: the fence. Who cannot name the row's token is not the holder.
    create table dp_leases (
      flight_key bigint primary key,
      token bigint not null,
      pilot_id text not null,
      pilot_generation bigint not null,
      claimed_at timestamptz not null default clock_timestamp()
    );
    create index dp_leases_pilot on dp_leases (pilot_id, pilot_generation);
    -- Tokens grow in the order of the row locks under which they are taken: no session keeps some for later.
    create sequence dp_tokens as bigint cache 1;

    -- The living Pilots, one row each: the only heartbeat.
    create table dp_pilots (
      pilot_id text primary key,
      generation bigint not null,
      lease interval not null,
      registered_at timestamptz not null default clock_timestamp(),
      seen_at timestamptz not null default clock_timestamp(),
      facts text
    ) with (fillfactor = 50);
    create sequence dp_pilot_generations as bigint cache 1;

    -- Clearances and cancels that overtook their flight on its way here; a cancel is the word CANCELLED.
    create table dp_early (
      flight_id text not null,
      word text not null,
      kept_at timestamptz not null default clock_timestamp(),
      primary key (flight_id, word)
    );

    -- What happened, for the control plane; only appended to. event_id grows in the order of a flight's row locks.
    create table dp_flight_events (
      written_by xid8 not null default pg_current_xact_id(),
      event_id bigint generated always as identity,
      flight_id text not null,
      what text not null,
      subject text,
      number bigint,
      code text,
      message text,
      detail text,
      at timestamptz not null default clock_timestamp(),
      primary key (written_by, event_id)
    );
    -- The numbers under which events are read. See events(after:limit:).
    create table dp_event_order (
      sequence bigint primary key,
      written_by xid8 not null,
      event_id bigint not null,
      numbered_at timestamptz not null default clock_timestamp()
    );

    -- One row: whose flights these are, up to where events are numbered and read, when it was swept, and when it was so
    -- again after nobody had swept for too long.
    create table dp_plane (
      singleton boolean primary key default true check (singleton),
      cluster text not null,
      last_sequence bigint not null default 0,
      numbered_snapshot pg_snapshot not null default '1:1:',
      read_sequence bigint not null default 0,
      swept_at timestamptz not null default clock_timestamp(),
      outage_to timestamptz
    ) with (fillfactor = 10);

    -- Rows that come and go by the thousand: vacuum early, and freely.
    alter table dp_ready set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
      autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 20000);
    alter table dp_leases set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
      autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 20000);
    alter table dp_deferred set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
      autovacuum_vacuum_cost_delay = 0);
    alter table dp_holding set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
      autovacuum_vacuum_cost_delay = 0);
    alter table dp_states set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
    alter table dp_plane set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
    alter table dp_pilots set (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500)
    """
}
