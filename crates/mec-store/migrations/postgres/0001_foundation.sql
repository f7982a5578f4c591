-- The first schema. Names, columns and their types are the guide's; what is ours beyond them says so.
--
-- JSON is kept as JSONB; the hash of an event's details, which is part of the ledger's chain, is that of the value. Text is
-- compared and ordered by its bytes, whatever the database's own collation is. Counters are NUMERIC without bounds; the ends
-- of time are -infinity and infinity.
-- `tree` is part of every physical key of a tenant table: last where rows are looked up by their id or key, first
-- where a tree is read whole. Hot tables have no foreign keys: the relations are checked before a row is written.
-- Only tables and their indexes are here: what hangs on them is in 0001_foundation_guards.sql, because a database of
-- several shards takes it only once the tables are spread over them.

-- Layer 0: foundation ---------------------------------------------------------------------------------------------

CREATE TABLE account_types (
    account_type_code    VARCHAR(32) COLLATE "C"  NOT NULL PRIMARY KEY,
    description          TEXT COLLATE "C"
);

CREATE TABLE accounts (
    account_id           UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    parent_account_id    UUID,
    root_account_id      UUID                     NOT NULL,
    account_type_code    VARCHAR(32) COLLATE "C"  NOT NULL,
    external_id          VARCHAR(128) COLLATE "C",
    display_name         VARCHAR(255) COLLATE "C" NOT NULL,
    email                VARCHAR(255) COLLATE "C",
    status               VARCHAR(16) COLLATE "C"  NOT NULL CHECK (status IN ('active', 'suspended', 'closed')),
    time_zone            VARCHAR(64) COLLATE "C",
    metadata             JSONB,
    created_at           TIMESTAMPTZ              NOT NULL,
    updated_at           TIMESTAMPTZ              NOT NULL,
    PRIMARY KEY (account_id, tree)
);
CREATE INDEX accounts_parent ON accounts (parent_account_id) WHERE parent_account_id IS NOT NULL;
CREATE INDEX accounts_tree ON accounts (tree);
CREATE INDEX accounts_type ON accounts (account_type_code);
CREATE INDEX accounts_external_id ON accounts (external_id) WHERE external_id IS NOT NULL;

-- Ours: names in other systems. accounts.external_id is its row with source ''.
CREATE TABLE account_links (
    source               VARCHAR(64) COLLATE "C"  NOT NULL,
    external_id          VARCHAR(255) COLLATE "C" NOT NULL,
    account_id           UUID                     NOT NULL,
    PRIMARY KEY (source, external_id)
);
CREATE INDEX account_links_account ON account_links (account_id);

CREATE TABLE units (
    unit_code            VARCHAR(32) COLLATE "C"  NOT NULL PRIMARY KEY,
    unit_name            VARCHAR(128) COLLATE "C" NOT NULL,
    dimension            VARCHAR(64) COLLATE "C"  NOT NULL,
    factor               BIGINT                   NOT NULL CHECK (factor BETWEEN 1 AND 1000000000)
);

CREATE TABLE resource_types (
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL PRIMARY KEY,
    resource_name        VARCHAR(128) COLLATE "C" NOT NULL,
    limit_kind_code      VARCHAR(32) COLLATE "C"  NOT NULL,
    unit_code            VARCHAR(32) COLLATE "C"  NOT NULL,
    allowed_units        TEXT[] COLLATE "C"       NOT NULL,
    description          TEXT COLLATE "C"
);

CREATE TABLE limit_kinds (
    limit_kind_code      VARCHAR(32) COLLATE "C"  NOT NULL PRIMARY KEY,
    description          TEXT COLLATE "C"         NOT NULL,
    sort_order           INTEGER                  NOT NULL
);

CREATE TABLE window_types (
    window_type_code     VARCHAR(32) COLLATE "C"  NOT NULL PRIMARY KEY,
    description          TEXT COLLATE "C"         NOT NULL,
    sort_order           INTEGER                  NOT NULL
);

CREATE TABLE limit_actions (
    limit_action_code    VARCHAR(32) COLLATE "C"  NOT NULL PRIMARY KEY,
    description          TEXT COLLATE "C"         NOT NULL,
    sort_order           INTEGER                  NOT NULL
);

-- Ours: IANA zones as TZif bytes, so that every node cuts the same windows.
CREATE TABLE time_zones (
    time_zone            VARCHAR(64) COLLATE "C"  NOT NULL PRIMARY KEY,
    tzif                 BYTEA                    NOT NULL
);

-- Ours: figures an operator may set (warn_at_percent, late_seconds_max, ahead_seconds_max, rows_per_account_max).
CREATE TABLE settings (
    name                 VARCHAR(64) COLLATE "C"  NOT NULL PRIMARY KEY,
    value                BIGINT                   NOT NULL
);

-- Layer 0.5: plans ------------------------------------------------------------------------------------------------

CREATE TABLE plans (
    plan_id              VARCHAR(64) COLLATE "C"  NOT NULL PRIMARY KEY,
    plan_name            VARCHAR(128) COLLATE "C" NOT NULL,
    is_trial             BOOLEAN                  NOT NULL,
    trial_days           INTEGER,
    is_addon             BOOLEAN                  NOT NULL,
    version              INTEGER                  NOT NULL,
    price_amount         NUMERIC(18,6),
    price_currency       VARCHAR(3) COLLATE "C",
    price_period         VARCHAR(32) COLLATE "C",
    external_ref         VARCHAR(255) COLLATE "C",
    is_active            BOOLEAN                  NOT NULL,
    sort_order           INTEGER                  NOT NULL,
    metadata             JSONB,
    created_at           TIMESTAMPTZ              NOT NULL,
    updated_at           TIMESTAMPTZ              NOT NULL
);

CREATE TABLE plan_entitlement_templates (
    template_id          UUID                     NOT NULL PRIMARY KEY,
    plan_id              VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C",
    limit_kind_code      VARCHAR(32) COLLATE "C"  NOT NULL,
    quantity_allowed     NUMERIC(18,6),
    window_type_code     VARCHAR(32) COLLATE "C",
    window_seconds       BIGINT,
    per_quantity         BOOLEAN                  NOT NULL,
    sort_order           INTEGER                  NOT NULL
);
CREATE INDEX plan_entitlement_templates_plan ON plan_entitlement_templates (plan_id, sort_order);

-- Layer 1: metering -----------------------------------------------------------------------------------------------

-- Beyond the guide's columns: tree_seq (1, 2, 3 … without gaps per tree), what a consume was told, what cannot be
-- summed again (effects), and chain, 16 bytes of SHA-256 over the previous chain and this row.
CREATE TABLE consumption_ledger (
    event_id             UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    tree_seq             BIGINT                   NOT NULL,
    idempotency_key      VARCHAR(255) COLLATE "C" NOT NULL,
    reservation_id       UUID,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C",
    quantity             NUMERIC(18,6)            NOT NULL,
    unit_code            VARCHAR(32) COLLATE "C"  NOT NULL,
    occurred_at          TIMESTAMPTZ              NOT NULL,
    recorded_at          TIMESTAMPTZ              NOT NULL,
    is_correction        BOOLEAN                  NOT NULL,
    corrects_event_id    UUID,
    source               VARCHAR(64) COLLATE "C"  NOT NULL,
    recorded_by          VARCHAR(255) COLLATE "C" NOT NULL,
    decision             VARCHAR(16) COLLATE "C",
    reason               VARCHAR(255) COLLATE "C",
    reason_code          VARCHAR(64) COLLATE "C",
    entitlement_id       UUID,
    effects              JSONB,
    overage_quantity     NUMERIC(18,6),
    overage_cost         NUMERIC(18,6),
    details_hash         BYTEA,
    fingerprint          BYTEA                    NOT NULL,
    chain                BYTEA                    NOT NULL,
    PRIMARY KEY (event_id, tree)
);
CREATE UNIQUE INDEX consumption_ledger_seq ON consumption_ledger (tree, tree_seq);
CREATE INDEX consumption_ledger_account ON consumption_ledger (account_id, resource_type_code, occurred_at);
-- Finds what changed a pool's overage without reading the rest.
CREATE INDEX consumption_ledger_effects ON consumption_ledger (tree, resource_type_code, occurred_at) WHERE effects IS NOT NULL;
CREATE INDEX consumption_ledger_corrects ON consumption_ledger (corrects_event_id) WHERE corrects_event_id IS NOT NULL;

CREATE TABLE consumption_event_details (
    event_id             UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    details              JSONB                    NOT NULL,
    PRIMARY KEY (event_id, tree)
);

-- Ours: which event a key stands for. Equal hashes are legal; the ledger row's own text decides.
CREATE TABLE ledger_keys (
    key_hash             BIGINT                   NOT NULL,
    tree                 INTEGER                  NOT NULL,
    event_id             UUID                     NOT NULL,
    PRIMARY KEY (key_hash, event_id, tree)
);

-- Ours: the stored sums, one row per account, resource, scope ('' is none), unit and UTC hour of occurred_at.
CREATE TABLE usage_hours (
    tree                 INTEGER                  NOT NULL,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C" NOT NULL,
    unit_code            VARCHAR(32) COLLATE "C"  NOT NULL,
    hour                 TIMESTAMPTZ              NOT NULL,
    own                  NUMERIC                  NOT NULL,
    subtree              NUMERIC                  NOT NULL,
    overage              NUMERIC                  NOT NULL,
    overage_cost         NUMERIC                  NOT NULL,
    events               BIGINT                   NOT NULL,
    PRIMARY KEY (tree, account_id, resource_type_code, resource_scope, unit_code, hour)
) WITH (fillfactor = 50);

-- Ours: totals of open windows (scope '' counts every scope; rolling_seconds 0 is a fixed window).
CREATE TABLE usage_windows (
    tree                 INTEGER                  NOT NULL,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C" NOT NULL,
    rolling_seconds      BIGINT                   NOT NULL,
    window_start         TIMESTAMPTZ              NOT NULL,
    window_end           TIMESTAMPTZ              NOT NULL,
    used                 NUMERIC                  NOT NULL,
    own                  NUMERIC                  NOT NULL,
    steps                JSONB,
    over_since           TIMESTAMPTZ,
    overage              NUMERIC                  NOT NULL,
    PRIMARY KEY (tree, account_id, resource_type_code, resource_scope, rolling_seconds, window_start, window_end)
) WITH (fillfactor = 50);

-- Layer 2: entitlements -------------------------------------------------------------------------------------------

CREATE TABLE entitlements (
    entitlement_id       UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C",
    limit_kind_code      VARCHAR(32) COLLATE "C"  NOT NULL,
    quantity_allowed     NUMERIC(18,6),
    window_type_code     VARCHAR(32) COLLATE "C",
    window_anchor        TIMESTAMPTZ,
    window_seconds       BIGINT,
    period_start         TIMESTAMPTZ,
    period_end           TIMESTAMPTZ,
    status               VARCHAR(16) COLLATE "C"  NOT NULL CHECK (status IN ('active', 'suspended', 'expired')),
    source               VARCHAR(16) COLLATE "C"  NOT NULL CHECK (source IN ('plan', 'addon', 'manual', 'override')),
    source_ref           VARCHAR(255) COLLATE "C",
    plan_id              VARCHAR(64) COLLATE "C",
    plan_version         INTEGER,
    priority             INTEGER                  NOT NULL,
    valid_from           TIMESTAMPTZ              NOT NULL,
    valid_until          TIMESTAMPTZ,
    metadata             JSONB,
    created_at           TIMESTAMPTZ              NOT NULL,
    updated_at           TIMESTAMPTZ              NOT NULL,
    PRIMARY KEY (entitlement_id, tree)
);
CREATE INDEX entitlements_account ON entitlements (account_id);
CREATE INDEX entitlements_plan ON entitlements (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX entitlements_resource ON entitlements (resource_type_code);

CREATE TABLE entitlement_conditions (
    condition_id         UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    entitlement_id       UUID                     NOT NULL,
    condition_type       VARCHAR(32) COLLATE "C"  NOT NULL,
    attribute            VARCHAR(128) COLLATE "C",
    operator             VARCHAR(16) COLLATE "C",
    value                JSONB                    NOT NULL,
    PRIMARY KEY (condition_id, tree)
);
CREATE INDEX entitlement_conditions_entitlement ON entitlement_conditions (entitlement_id);

CREATE TABLE entitlements_audit (
    audit_id             UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    entitlement_id       UUID                     NOT NULL,
    account_id           UUID                     NOT NULL,
    action               VARCHAR(32) COLLATE "C"  NOT NULL,
    old_row              JSONB,
    new_row              JSONB,
    changed_by           VARCHAR(255) COLLATE "C" NOT NULL,
    reason               TEXT COLLATE "C"         NOT NULL,
    changed_at           TIMESTAMPTZ              NOT NULL,
    PRIMARY KEY (audit_id, tree)
);
CREATE INDEX entitlements_audit_entitlement ON entitlements_audit (entitlement_id);
CREATE INDEX entitlements_audit_account ON entitlements_audit (account_id);

-- Layer 3: controls -----------------------------------------------------------------------------------------------

CREATE TABLE control_rules (
    rule_id              UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    limit_kind_code      VARCHAR(32) COLLATE "C"  NOT NULL,
    account_id           UUID,
    plan_id              VARCHAR(64) COLLATE "C",
    window_type_code     VARCHAR(32) COLLATE "C",
    limit_action_code    VARCHAR(32) COLLATE "C"  NOT NULL,
    warn_at_percent      NUMERIC(5,2),
    grace_quantity       NUMERIC(18,6),
    grace_period_seconds BIGINT,
    overage_limit        NUMERIC(18,6),
    overage_unit_price   NUMERIC(18,6),
    currency             VARCHAR(3) COLLATE "C",
    priority             INTEGER                  NOT NULL,
    is_active            BOOLEAN                  NOT NULL,
    created_at           TIMESTAMPTZ              NOT NULL,
    updated_at           TIMESTAMPTZ              NOT NULL,
    PRIMARY KEY (rule_id, tree)
);
CREATE INDEX control_rules_account ON control_rules (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE concurrency_leases (
    lease_id             UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C",
    session_token        VARCHAR(255) COLLATE "C",
    quantity             NUMERIC(18,6)            NOT NULL,
    amount               NUMERIC                  NOT NULL,
    fencing_token        BIGINT                   NOT NULL,
    acquired_at          TIMESTAMPTZ              NOT NULL,
    expires_at           TIMESTAMPTZ              NOT NULL,
    released_at          TIMESTAMPTZ,
    PRIMARY KEY (lease_id, tree)
);
CREATE INDEX concurrency_leases_live ON concurrency_leases (account_id, expires_at) WHERE released_at IS NULL;
CREATE INDEX concurrency_leases_account ON concurrency_leases (account_id, session_token);

-- A part for every UTC day, named by it (control_decisions_log_20260131): old days go whole, without touching a row.
-- Ids grow with time, so the days are ranges of ids and the key needs no second instant in it.
CREATE TABLE control_decisions_log (
    decision_id          UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C",
    operation            VARCHAR(32) COLLATE "C"  NOT NULL,
    requested_qty        NUMERIC(18,6),
    decision             VARCHAR(16) COLLATE "C"  NOT NULL,
    reason               VARCHAR(255) COLLATE "C" NOT NULL,
    reason_code          VARCHAR(64) COLLATE "C"  NOT NULL,
    entitlement_id       UUID,
    rule_id              UUID,
    binding_account_id   UUID,
    quantity_allowed     NUMERIC(18,6),
    quantity_used        NUMERIC(18,6),
    limits               JSONB,
    request_id           VARCHAR(255) COLLATE "C",
    decided_at           TIMESTAMPTZ              NOT NULL,
    PRIMARY KEY (decision_id, tree)
) PARTITION BY RANGE (decision_id);
CREATE INDEX control_decisions_log_account ON control_decisions_log (account_id, decided_at);
-- What is of no day that has a part: no row is ever refused for want of one.
CREATE TABLE control_decisions_log_rest PARTITION OF control_decisions_log DEFAULT;

-- Ours ------------------------------------------------------------------------------------------------------------

CREATE TABLE reservations (
    reservation_id       UUID                     NOT NULL,
    tree                 INTEGER                  NOT NULL,
    idempotency_key      VARCHAR(255) COLLATE "C" NOT NULL,
    account_id           UUID                     NOT NULL,
    resource_type_code   VARCHAR(64) COLLATE "C"  NOT NULL,
    resource_scope       VARCHAR(128) COLLATE "C",
    quantity             NUMERIC(18,6)            NOT NULL,
    unit_code            VARCHAR(32) COLLATE "C"  NOT NULL,
    amount               NUMERIC                  NOT NULL,
    status               VARCHAR(16) COLLATE "C"  NOT NULL CHECK (status IN ('open', 'settled', 'released')),
    reserved_at          TIMESTAMPTZ              NOT NULL,
    expires_at           TIMESTAMPTZ              NOT NULL,
    decision             VARCHAR(16) COLLATE "C"  NOT NULL,
    reason               VARCHAR(255) COLLATE "C" NOT NULL,
    reason_code          VARCHAR(64) COLLATE "C"  NOT NULL,
    entitlement_id       UUID,
    event_id             UUID,
    PRIMARY KEY (reservation_id, tree)
);
CREATE UNIQUE INDEX reservations_key ON reservations (idempotency_key, tree);
CREATE INDEX reservations_open ON reservations (account_id, expires_at) WHERE status = 'open';

CREATE TABLE account_plans (
    tree                 INTEGER                  NOT NULL,
    account_id           UUID                     NOT NULL,
    plan_id              VARCHAR(64) COLLATE "C"  NOT NULL,
    ref                  VARCHAR(255) COLLATE "C" NOT NULL,
    version              INTEGER                  NOT NULL,
    quantity             NUMERIC(18,6)            NOT NULL,
    anchor               TIMESTAMPTZ              NOT NULL,
    starts_at            TIMESTAMPTZ              NOT NULL,
    ends_at              TIMESTAMPTZ,
    own_ends_at          TIMESTAMPTZ,
    is_addon             BOOLEAN                  NOT NULL,
    is_trial             BOOLEAN                  NOT NULL,
    PRIMARY KEY (account_id, plan_id, ref, starts_at, tree)
);
CREATE INDEX account_plans_trials ON account_plans (tree) WHERE is_trial;
CREATE INDEX account_plans_plan ON account_plans (plan_id);

CREATE TABLE webhook_inbox (
    source               VARCHAR(64) COLLATE "C"  NOT NULL,
    external_id          VARCHAR(255) COLLATE "C" NOT NULL,
    event_type           VARCHAR(128) COLLATE "C" NOT NULL,
    received_at          TIMESTAMPTZ              NOT NULL,
    occurred_at          TIMESTAMPTZ,
    status               VARCHAR(32) COLLATE "C"  NOT NULL,
    attempts             INTEGER                  NOT NULL,
    error                TEXT COLLATE "C",
    body                 JSONB                    NOT NULL,
    PRIMARY KEY (source, external_id)
);

CREATE TABLE webhook_endpoints (
    endpoint_id          UUID                     NOT NULL PRIMARY KEY,
    url                  TEXT COLLATE "C"         NOT NULL,
    secret               TEXT COLLATE "C"         NOT NULL,
    event_types          TEXT[] COLLATE "C"       NOT NULL,
    is_active            BOOLEAN                  NOT NULL,
    created_at           TIMESTAMPTZ              NOT NULL
);

CREATE TABLE webhook_deliveries (
    delivery_id          UUID                     NOT NULL PRIMARY KEY,
    endpoint_id          UUID                     NOT NULL,
    event_type           VARCHAR(128) COLLATE "C" NOT NULL,
    payload              JSONB                    NOT NULL,
    status               VARCHAR(32) COLLATE "C"  NOT NULL,
    attempts             INTEGER                  NOT NULL,
    next_attempt_at      TIMESTAMPTZ,
    claimed_until        TIMESTAMPTZ,
    last_error           TEXT COLLATE "C",
    created_at           TIMESTAMPTZ              NOT NULL
);

CREATE TABLE api_keys (
    key_id               UUID                     NOT NULL PRIMARY KEY,
    key_hash             BYTEA                    NOT NULL,
    name                 VARCHAR(128) COLLATE "C" NOT NULL,
    role                 VARCHAR(32) COLLATE "C"  NOT NULL,
    account_id           UUID,
    scopes               TEXT[] COLLATE "C"       NOT NULL,
    created_at           TIMESTAMPTZ              NOT NULL,
    expires_at           TIMESTAMPTZ,
    revoked_at           TIMESTAMPTZ
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);

-- Ours: what a batch of a tree locks and continues from. Row 0 is the catalogue's.
CREATE TABLE account_trees (
    tree                 INTEGER                  NOT NULL PRIMARY KEY,
    version              BIGINT                   NOT NULL,
    stamp                BIGINT                   NOT NULL,
    last_at              TIMESTAMPTZ              NOT NULL,
    next_seq             BIGINT                   NOT NULL,
    next_token           BIGINT                   NOT NULL,
    chain                BYTEA                    NOT NULL
) WITH (fillfactor = 50);
