-- The first schema. Names and columns are the guide's; what is ours beyond them says so.
--
-- How values are kept: ids are 16-byte blobs, instants microseconds since the epoch, quantities millionths
-- (NUMERIC(18,6) as an integer), counters decimal text (they need 128 bits), JSON text as PostgreSQL spells it, booleans 0 and 1.
-- `tree` is part of every physical key of a tenant table: last in the ledger's, first where a tree is read whole.

-- Layer 0: foundation ---------------------------------------------------------------------------------------------

CREATE TABLE account_types (
    account_type_code   TEXT    NOT NULL PRIMARY KEY,
    description         TEXT
) STRICT;

CREATE TABLE accounts (
    account_id          BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    parent_account_id   BLOB,
    root_account_id     BLOB    NOT NULL,
    account_type_code   TEXT    NOT NULL,
    external_id         TEXT,
    display_name        TEXT    NOT NULL,
    email               TEXT,
    status              TEXT    NOT NULL CHECK (status IN ('active', 'suspended', 'closed')),
    time_zone           TEXT,
    metadata            TEXT,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX accounts_parent ON accounts (parent_account_id) WHERE parent_account_id IS NOT NULL;
CREATE INDEX accounts_tree ON accounts (tree);
CREATE INDEX accounts_type ON accounts (account_type_code);
CREATE INDEX accounts_external_id ON accounts (external_id) WHERE external_id IS NOT NULL;

-- Ours: names in other systems. accounts.external_id is its row with source ''.
CREATE TABLE account_links (
    source              TEXT    NOT NULL,
    external_id         TEXT    NOT NULL,
    account_id          BLOB    NOT NULL,
    PRIMARY KEY (source, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_links_account ON account_links (account_id);

CREATE TABLE units (
    unit_code           TEXT    NOT NULL PRIMARY KEY,
    unit_name           TEXT    NOT NULL,
    dimension           TEXT    NOT NULL,
    factor              INTEGER NOT NULL CHECK (factor BETWEEN 1 AND 1000000000)
) STRICT;

CREATE TABLE resource_types (
    resource_type_code  TEXT    NOT NULL PRIMARY KEY,
    resource_name       TEXT    NOT NULL,
    limit_kind_code     TEXT    NOT NULL,
    unit_code           TEXT    NOT NULL,
    allowed_units       TEXT    NOT NULL,
    description         TEXT
) STRICT;

CREATE TABLE limit_kinds (
    limit_kind_code     TEXT    NOT NULL PRIMARY KEY,
    description         TEXT    NOT NULL,
    sort_order          INTEGER NOT NULL
) STRICT;

CREATE TABLE window_types (
    window_type_code    TEXT    NOT NULL PRIMARY KEY,
    description         TEXT    NOT NULL,
    sort_order          INTEGER NOT NULL
) STRICT;

CREATE TABLE limit_actions (
    limit_action_code   TEXT    NOT NULL PRIMARY KEY,
    description         TEXT    NOT NULL,
    sort_order          INTEGER NOT NULL
) STRICT;

-- Ours: IANA zones as TZif bytes, so that every node cuts the same windows.
CREATE TABLE time_zones (
    time_zone           TEXT    NOT NULL PRIMARY KEY,
    tzif                BLOB    NOT NULL
) STRICT;

-- Ours: figures an operator may set (warn_at_percent, late_seconds_max, ahead_seconds_max, rows_per_account_max).
CREATE TABLE settings (
    name                TEXT    NOT NULL PRIMARY KEY,
    value               INTEGER NOT NULL
) STRICT;

-- Layer 0.5: plans ------------------------------------------------------------------------------------------------

CREATE TABLE plans (
    plan_id             TEXT    NOT NULL PRIMARY KEY,
    plan_name           TEXT    NOT NULL,
    is_trial            INTEGER NOT NULL CHECK (is_trial IN (0, 1)),
    trial_days          INTEGER,
    is_addon            INTEGER NOT NULL CHECK (is_addon IN (0, 1)),
    version             INTEGER NOT NULL,
    price_amount        INTEGER,
    price_currency      TEXT,
    price_period        TEXT,
    external_ref        TEXT,
    is_active           INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    sort_order          INTEGER NOT NULL,
    metadata            TEXT,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;

CREATE TABLE plan_entitlement_templates (
    template_id         BLOB    NOT NULL PRIMARY KEY,
    plan_id             TEXT    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT,
    limit_kind_code     TEXT    NOT NULL,
    quantity_allowed    INTEGER,
    window_type_code    TEXT,
    window_seconds      INTEGER,
    per_quantity        INTEGER NOT NULL CHECK (per_quantity IN (0, 1)),
    sort_order          INTEGER NOT NULL
) STRICT;
CREATE INDEX plan_entitlement_templates_plan ON plan_entitlement_templates (plan_id, sort_order);

-- Layer 1: metering -----------------------------------------------------------------------------------------------

-- Beyond the guide's columns: tree_seq (1, 2, 3 … without gaps per tree), what a consume was told, what cannot be
-- summed again (effects), and chain, 16 bytes of SHA-256 over the previous chain and this row.
CREATE TABLE consumption_ledger (
    event_id            BLOB    NOT NULL,
    tree                INTEGER NOT NULL,
    tree_seq            INTEGER NOT NULL,
    idempotency_key     TEXT    NOT NULL,
    reservation_id      BLOB,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT,
    quantity            INTEGER NOT NULL,
    unit_code           TEXT    NOT NULL,
    occurred_at         INTEGER NOT NULL,
    recorded_at         INTEGER NOT NULL,
    is_correction       INTEGER NOT NULL CHECK (is_correction IN (0, 1)),
    corrects_event_id   BLOB,
    source              TEXT    NOT NULL,
    recorded_by         TEXT    NOT NULL,
    decision            TEXT,
    reason              TEXT,
    reason_code         TEXT,
    entitlement_id      BLOB,
    effects             TEXT,
    overage_quantity    INTEGER,
    overage_cost        INTEGER,
    details_hash        BLOB,
    fingerprint         BLOB    NOT NULL,
    chain               BLOB    NOT NULL,
    PRIMARY KEY (event_id, tree)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX consumption_ledger_seq ON consumption_ledger (tree, tree_seq);
CREATE INDEX consumption_ledger_account ON consumption_ledger (account_id, resource_type_code, occurred_at);
-- Finds what changed a pool's overage without reading the rest.
CREATE INDEX consumption_ledger_effects ON consumption_ledger (tree, resource_type_code, occurred_at) WHERE effects IS NOT NULL;
CREATE INDEX consumption_ledger_corrects ON consumption_ledger (corrects_event_id) WHERE corrects_event_id IS NOT NULL;

CREATE TRIGGER consumption_ledger_no_update BEFORE UPDATE ON consumption_ledger
BEGIN
    SELECT RAISE(ABORT, 'Consumption ledger is append-only. Cannot update.');
END;
CREATE TRIGGER consumption_ledger_no_delete BEFORE DELETE ON consumption_ledger
BEGIN
    SELECT RAISE(ABORT, 'Consumption ledger is append-only. Cannot delete.');
END;

CREATE TABLE consumption_event_details (
    event_id            BLOB    NOT NULL,
    tree                INTEGER NOT NULL,
    details             TEXT    NOT NULL,
    PRIMARY KEY (event_id, tree)
) STRICT, WITHOUT ROWID;

-- Ours: which event a key stands for. Equal hashes are legal; the ledger row's own text decides.
CREATE TABLE ledger_keys (
    key_hash            INTEGER NOT NULL,
    tree                INTEGER NOT NULL,
    event_id            BLOB    NOT NULL,
    PRIMARY KEY (key_hash, tree, event_id)
) STRICT, WITHOUT ROWID;

-- Ours: the stored sums, one row per account, resource, scope ('' is none), unit and UTC hour of occurred_at.
CREATE TABLE usage_hours (
    tree                INTEGER NOT NULL,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT    NOT NULL,
    unit_code           TEXT    NOT NULL,
    hour                INTEGER NOT NULL,
    own                 TEXT    NOT NULL,
    subtree             TEXT    NOT NULL,
    overage             TEXT    NOT NULL,
    overage_cost        TEXT    NOT NULL,
    events              INTEGER NOT NULL,
    PRIMARY KEY (tree, account_id, resource_type_code, resource_scope, unit_code, hour)
) STRICT, WITHOUT ROWID;

-- Ours: totals of open windows (scope '' counts every scope; rolling_seconds 0 is a fixed window).
CREATE TABLE usage_windows (
    tree                INTEGER NOT NULL,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT    NOT NULL,
    rolling_seconds     INTEGER NOT NULL,
    window_start        INTEGER NOT NULL,
    window_end          INTEGER NOT NULL,
    used                TEXT    NOT NULL,
    own                 TEXT    NOT NULL,
    steps               TEXT,
    over_since          INTEGER,
    overage             TEXT    NOT NULL,
    PRIMARY KEY (tree, account_id, resource_type_code, resource_scope, rolling_seconds, window_start, window_end)
) STRICT, WITHOUT ROWID;

-- Layer 2: entitlements -------------------------------------------------------------------------------------------

CREATE TABLE entitlements (
    entitlement_id      BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT,
    limit_kind_code     TEXT    NOT NULL,
    quantity_allowed    INTEGER,
    window_type_code    TEXT,
    window_anchor       INTEGER,
    window_seconds      INTEGER,
    period_start        INTEGER,
    period_end          INTEGER,
    status              TEXT    NOT NULL CHECK (status IN ('active', 'suspended', 'expired')),
    source              TEXT    NOT NULL CHECK (source IN ('plan', 'addon', 'manual', 'override')),
    source_ref          TEXT,
    plan_id             TEXT,
    plan_version        INTEGER,
    priority            INTEGER NOT NULL,
    valid_from          INTEGER NOT NULL,
    valid_until         INTEGER,
    metadata            TEXT,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX entitlements_account ON entitlements (account_id);
CREATE INDEX entitlements_plan ON entitlements (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX entitlements_resource ON entitlements (resource_type_code);

CREATE TABLE entitlement_conditions (
    condition_id        BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    entitlement_id      BLOB    NOT NULL,
    condition_type      TEXT    NOT NULL,
    attribute           TEXT,
    operator            TEXT,
    value               TEXT    NOT NULL
) STRICT;
CREATE INDEX entitlement_conditions_entitlement ON entitlement_conditions (entitlement_id);

CREATE TABLE entitlements_audit (
    audit_id            BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    entitlement_id      BLOB    NOT NULL,
    account_id          BLOB    NOT NULL,
    action              TEXT    NOT NULL,
    old_row             TEXT,
    new_row             TEXT,
    changed_by          TEXT    NOT NULL,
    reason              TEXT    NOT NULL,
    changed_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX entitlements_audit_entitlement ON entitlements_audit (entitlement_id);
CREATE INDEX entitlements_audit_account ON entitlements_audit (account_id);

CREATE TRIGGER entitlements_audit_no_update BEFORE UPDATE ON entitlements_audit
BEGIN
    SELECT RAISE(ABORT, 'Entitlements audit is append-only. Cannot update.');
END;
CREATE TRIGGER entitlements_audit_no_delete BEFORE DELETE ON entitlements_audit
BEGIN
    SELECT RAISE(ABORT, 'Entitlements audit is append-only. Cannot delete.');
END;

-- Layer 3: controls -----------------------------------------------------------------------------------------------

CREATE TABLE control_rules (
    rule_id             BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    limit_kind_code     TEXT    NOT NULL,
    account_id          BLOB,
    plan_id             TEXT,
    window_type_code    TEXT,
    limit_action_code   TEXT    NOT NULL,
    warn_at_percent     INTEGER,
    grace_quantity      INTEGER,
    grace_period_seconds INTEGER,
    overage_limit       INTEGER,
    overage_unit_price  INTEGER,
    currency            TEXT,
    priority            INTEGER NOT NULL,
    is_active           INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX control_rules_account ON control_rules (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE concurrency_leases (
    lease_id            BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT,
    session_token       TEXT,
    quantity            INTEGER NOT NULL,
    amount              TEXT    NOT NULL,
    fencing_token       INTEGER NOT NULL,
    acquired_at         INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    released_at         INTEGER
) STRICT;
CREATE INDEX concurrency_leases_live ON concurrency_leases (account_id, expires_at) WHERE released_at IS NULL;
CREATE INDEX concurrency_leases_account ON concurrency_leases (account_id, session_token);

CREATE TABLE control_decisions_log (
    decision_id         BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT,
    operation           TEXT    NOT NULL,
    requested_qty       INTEGER,
    decision            TEXT    NOT NULL,
    reason              TEXT    NOT NULL,
    reason_code         TEXT    NOT NULL,
    entitlement_id      BLOB,
    rule_id             BLOB,
    binding_account_id  BLOB,
    quantity_allowed    INTEGER,
    quantity_used       INTEGER,
    limits              TEXT,
    request_id          TEXT,
    decided_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX control_decisions_log_account ON control_decisions_log (account_id, decided_at);

-- Ours ------------------------------------------------------------------------------------------------------------

CREATE TABLE reservations (
    reservation_id      BLOB    NOT NULL PRIMARY KEY,
    tree                INTEGER NOT NULL,
    idempotency_key     TEXT    NOT NULL,
    account_id          BLOB    NOT NULL,
    resource_type_code  TEXT    NOT NULL,
    resource_scope      TEXT,
    quantity            INTEGER NOT NULL,
    unit_code           TEXT    NOT NULL,
    amount              TEXT    NOT NULL,
    status              TEXT    NOT NULL CHECK (status IN ('open', 'settled', 'released')),
    reserved_at         INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    decision            TEXT    NOT NULL,
    reason              TEXT    NOT NULL,
    reason_code         TEXT    NOT NULL,
    entitlement_id      BLOB,
    event_id            BLOB
) STRICT;
CREATE UNIQUE INDEX reservations_key ON reservations (tree, idempotency_key);
CREATE INDEX reservations_open ON reservations (account_id, expires_at) WHERE status = 'open';

CREATE TABLE account_plans (
    tree                INTEGER NOT NULL,
    account_id          BLOB    NOT NULL,
    plan_id             TEXT    NOT NULL,
    ref                 TEXT    NOT NULL,
    version             INTEGER NOT NULL,
    quantity            INTEGER NOT NULL,
    anchor              INTEGER NOT NULL,
    starts_at           INTEGER NOT NULL,
    ends_at             INTEGER,
    own_ends_at         INTEGER,
    is_addon            INTEGER NOT NULL CHECK (is_addon IN (0, 1)),
    is_trial            INTEGER NOT NULL CHECK (is_trial IN (0, 1)),
    PRIMARY KEY (account_id, plan_id, ref, starts_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_plans_trials ON account_plans (tree) WHERE is_trial = 1;
CREATE INDEX account_plans_plan ON account_plans (plan_id);

CREATE TABLE webhook_inbox (
    source              TEXT    NOT NULL,
    external_id         TEXT    NOT NULL,
    event_type          TEXT    NOT NULL,
    received_at         INTEGER NOT NULL,
    occurred_at         INTEGER,
    status              TEXT    NOT NULL,
    attempts            INTEGER NOT NULL,
    error               TEXT,
    body                TEXT    NOT NULL,
    PRIMARY KEY (source, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook_endpoints (
    endpoint_id         BLOB    NOT NULL PRIMARY KEY,
    url                 TEXT    NOT NULL,
    secret              TEXT    NOT NULL,
    event_types         TEXT    NOT NULL,
    is_active           INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at          INTEGER NOT NULL
) STRICT;

CREATE TABLE webhook_deliveries (
    delivery_id         BLOB    NOT NULL PRIMARY KEY,
    endpoint_id         BLOB    NOT NULL,
    event_type          TEXT    NOT NULL,
    payload             TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    attempts            INTEGER NOT NULL,
    next_attempt_at     INTEGER,
    claimed_until       INTEGER,
    last_error          TEXT,
    created_at          INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    key_id              BLOB    NOT NULL PRIMARY KEY,
    key_hash            BLOB    NOT NULL,
    name                TEXT    NOT NULL,
    role                TEXT    NOT NULL,
    account_id          BLOB,
    scopes              TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    revoked_at          INTEGER
) STRICT;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);

-- Ours: what a batch of a tree locks and continues from. Row 0 is the catalogue's.
CREATE TABLE account_trees (
    tree                INTEGER NOT NULL PRIMARY KEY,
    version             INTEGER NOT NULL,
    stamp               INTEGER NOT NULL,
    last_at             INTEGER NOT NULL,
    next_seq            INTEGER NOT NULL,
    next_token          INTEGER NOT NULL,
    chain               BLOB    NOT NULL
) STRICT;
