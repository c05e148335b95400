// The control plane's tables, as numbered migrations.

import LibPQ

/// The tables of the control plane, all in the schema `navigator`.
enum Schema {
  /// Every migration, oldest first.
  ///
  /// A migration that was released is never changed.
  static func migrations() throws(PostgresError) -> PostgresMigrations {
    try PostgresMigrations(
      schema: "navigator",
      table: "migrations",
      [
        PostgresMigration(1, "fleet", fleet),
        PostgresMigration(2, "requests", requests),
        PostgresMigration(3, "delivery", delivery),
        PostgresMigration(4, "replaced logs", replacedLogs),
      ]
    )
  }

  private static let fleet: SQL = """
    create table navigator.regions (
      name text primary key,
      enabled boolean not null,
      deleted_at timestamptz
    );
    create table navigator.clusters (
      name text primary key,
      region text not null references navigator.regions,
      registration jsonb not null,
      deleted_at timestamptz
    );
    -- What changes all the time is apart from what an operator registers.
    create table navigator.planes (
      cluster text primary key references navigator.clusters,
      event_cursor bigint not null default 0,
      health jsonb,
      health_phase text not null default 'UNKNOWN',
      report jsonb,
      looked_at timestamptz
    );
    create table navigator.workspaces (
      name text primary key,
      region text not null references navigator.regions
    );
    create table navigator.deployments (
      name text primary key,
      workspace text not null references navigator.workspaces,
      deployment jsonb not null,
      cluster text not null references navigator.clusters,
      generation bigint not null default 0 check (generation >= 0),
      cordoned text,
      placement text not null check (placement in ('PLACING', 'PLACED', 'FAILED')),
      placement_attempt integer not null default 1,
      placement_error text,
      placing_since timestamptz,
      -- Whether it ever ran on its cluster; a change of its description does not take that away.
      was_placed boolean not null default false,
      -- The generation of the hand-over that brought it to its cluster; 0 before the first. `generation` is the newest that
      -- was given to anybody.
      owner_generation bigint not null default 0
    );
    create index deployments_cluster on navigator.deployments (cluster);
    create index deployments_placing on navigator.deployments (placing_since) where placement = 'PLACING';
    """

  private static let requests: SQL = """
    create table navigator.requests (
      id text primary key,
      source text not null references navigator.clusters,
      destination text not null references navigator.clusters,
      mode text not null,
      options jsonb not null,
      plan_hash text not null,
      idempotency_key text unique,
      request jsonb not null,
      phase text not null,
      version bigint not null default 1,
      submitted_at timestamptz not null,
      due_at timestamptz,
      ended_at timestamptz
    );
    create index requests_open on navigator.requests (submitted_at) where ended_at is null;
    create table navigator.missions (
      id text primary key,
      request text not null references navigator.requests,
      deployment text not null references navigator.deployments,
      mission jsonb not null,
      phase text not null,
      version bigint not null default 1,
      due_at timestamptz,
      created_at timestamptz not null,
      started_at timestamptz,
      phase_since timestamptz not null,
      ended_at timestamptz
    );
    -- Exclusivity: at most one mission that has not ended for each deployment, by an index and never by time.
    create unique index missions_active on navigator.missions (deployment) where ended_at is null;
    create index missions_due on navigator.missions (due_at) where due_at is not null;
    create index missions_request on navigator.missions (request);
    create index missions_deployment on navigator.missions (deployment, created_at desc);
    create table navigator.flights (
      id text primary key,
      mission text not null,
      cluster text not null,
      plan text not null,
      phase text not null,
      step text,
      steps_done integer not null default 0,
      steps integer not null,
      attempts integer not null default 0,
      takeovers integer not null default 0,
      last_error text,
      updated_at timestamptz not null
    );
    create index flights_mission on navigator.flights (mission);
    create table navigator.debts (
      mission text not null,
      side text not null,
      deployment text not null,
      cluster text not null,
      debt jsonb not null,
      phase text not null,
      version bigint not null default 1,
      incurred_at timestamptz not null,
      settled_at timestamptz,
      primary key (mission, side)
    );
    create index debts_open on navigator.debts (deployment) where settled_at is null;
    -- How missions ended, until their requests have heard of it. Rows are inserted and deleted, never updated, so that a
    -- mission never waits for its request's row.
    create table navigator.outcomes (
      id bigint generated always as identity primary key,
      request text not null,
      mission text not null,
      outcome text not null,
      by_operator boolean not null
    );
    create index outcomes_request on navigator.outcomes (request);
    """

  private static let delivery: SQL = """
    create table navigator.events (
      sequence bigint generated always as identity primary key,
      at timestamptz not null,
      request text,
      machine text not null,
      subject text not null,
      kind text not null,
      event jsonb not null,
      from_phase text not null,
      to_phase text not null,
      cause text not null
    );
    create index events_request on navigator.events (request, sequence);
    create index events_subject on navigator.events (subject, sequence);
    create index events_planes on navigator.events (at) where request is null;
    create table navigator.outbox (
      id bigint generated always as identity primary key,
      cluster text not null,
      flight text not null,
      kind text not null check (kind in ('start', 'grant', 'cancel')),
      payload jsonb not null,
      attempts integer not null default 0,
      due_at timestamptz not null,
      leased_until timestamptz,
      lease bigint not null default 0,
      last_error text
    );
    create index outbox_due on navigator.outbox (cluster, due_at, id);
    create sequence navigator.outbox_lease cache 1;
    -- The history is append-only: what may be removed is only what retention removes, and nothing is ever rewritten.
    create function navigator.refuse_rewriting() returns trigger language plpgsql as $$
      begin
        raise exception 'the history is append-only' using errcode = 'restrict_violation';
      end
      $$;
    create trigger events_append_only before update on navigator.events
      for each row execute function navigator.refuse_rewriting();
    """

  private static let replacedLogs: SQL = """
    -- The event that the cursor stands on: if the cluster's log holds another one there, it is another log.
    alter table navigator.planes add column cursor_event text, add column log_replaced_at timestamptz;
    -- What it takes to deliver a flight once more, to a Flightdeck that has lost it.
    alter table navigator.flights
      add column generation bigint not null default 0,
      add column clearances text[] not null default '{}',
      add column grants text[] not null default '{}';
    create index flights_under_way on navigator.flights (cluster)
      where phase not in ('SUCCEEDED', 'FAILED', 'CANCELLED');
    create index missions_ended on navigator.missions (ended_at) where ended_at is not null;
    create index requests_newest on navigator.requests (submitted_at desc, id);
    """
}
