-- What hangs on the tables of the first schema: the triggers that keep append-only tables so, the parts of the decision
-- log, and the order of JSON values.

-- What the triggers of append-only tables say.
CREATE FUNCTION mec_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END;
$$;

CREATE TRIGGER consumption_ledger_no_update BEFORE UPDATE ON consumption_ledger
    FOR EACH ROW EXECUTE FUNCTION mec_refuse('Consumption ledger is append-only. Cannot update.');
CREATE TRIGGER consumption_ledger_no_delete BEFORE DELETE ON consumption_ledger
    FOR EACH ROW EXECUTE FUNCTION mec_refuse('Consumption ledger is append-only. Cannot delete.');
CREATE TRIGGER consumption_ledger_no_truncate BEFORE TRUNCATE ON consumption_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION mec_refuse('Consumption ledger is append-only. Cannot delete.');

CREATE TRIGGER entitlements_audit_no_update BEFORE UPDATE ON entitlements_audit
    FOR EACH ROW EXECUTE FUNCTION mec_refuse('Entitlements audit is append-only. Cannot update.');
CREATE TRIGGER entitlements_audit_no_delete BEFORE DELETE ON entitlements_audit
    FOR EACH ROW EXECUTE FUNCTION mec_refuse('Entitlements audit is append-only. Cannot delete.');
CREATE TRIGGER entitlements_audit_no_truncate BEFORE TRUNCATE ON entitlements_audit
    FOR EACH STATEMENT EXECUTE FUNCTION mec_refuse('Entitlements audit is append-only. Cannot delete.');

-- The order of JSON values ------------------------------------------------------------------------------------------
--
-- That of JSONB, but for text, which is ordered by its bytes at every depth, whatever the database's own collation is.

-- Texts whose order by bytes is that of the values: a digit for the kind, then what tells values of one kind apart.
CREATE FUNCTION mec_json_part(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    number     numeric;
    digits     text;
    whole      text;
    magnitude  text;
BEGIN
    CASE jsonb_typeof(value)
    WHEN 'null' THEN
        RETURN '1';
    WHEN 'string' THEN
        RETURN '2' || mec_json_text(value #>> '{}');
    WHEN 'boolean' THEN
        RETURN CASE WHEN value = 'true' THEN '4t' ELSE '4f' END;
    WHEN 'array' THEN
        RETURN '5' || lpad(jsonb_array_length(value)::text, 10, '0')
            || coalesce((SELECT string_agg(mec_json_part(item), '' ORDER BY place)
                         FROM jsonb_array_elements(value) WITH ORDINALITY AS items(item, place)), '');
    WHEN 'object' THEN
        RETURN (SELECT '6' || lpad(count(*)::text, 10, '0')
                    || coalesce(string_agg(mec_json_text(entry.key) || mec_json_part(entry.value), ''
                                           ORDER BY octet_length(entry.key), entry.key COLLATE "C"), '')
                FROM jsonb_each(value) AS entry);
    ELSE
        number := value #>> '{}';
        IF number = 0 THEN
            RETURN '31';
        END IF;
        digits := trim_scale(abs(number))::text;
        whole := ltrim(split_part(digits, '.', 1), '0');
        -- Where the point stands, counted from the first digit that is no zero.
        magnitude := CASE
            WHEN whole <> '' THEN length(whole)
            ELSE length(ltrim(split_part(digits, '.', 2), '0')) - length(split_part(digits, '.', 2))
        END + 5000000;
        magnitude := lpad(magnitude, 10, '0') || trim(BOTH '0' FROM replace(digits, '.', ''));
        RETURN CASE
            WHEN number > 0 THEN '32' || magnitude || U&'\0001'
            ELSE '30' || translate(magnitude, '0123456789', '9876543210') || '~'
        END;
    END CASE;
END
$$;

-- A text and its end, which comes before every character.
CREATE FUNCTION mec_json_text(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT replace(replace(value, U&'\0002', U&'\0002\0002'), U&'\0001', U&'\0002\0001') || U&'\0001'
$$;

-- The key of a whole value, to be compared COLLATE "C". An array without items stands before everything else, though not inside of something.
CREATE FUNCTION mec_json_key(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN value = '[]' THEN '0' ELSE mec_json_part(value) END
$$;

-- The decision log's parts ------------------------------------------------------------------------------------------
--
-- A node's role may neither make nor drop a table nor delete a decision, so it calls these, which run as the owner of
-- the schema. They take no name from their caller, and names in them mean the schema's own tables whatever the caller's
-- search_path says. Any number of nodes may call them at once.

-- Smaller than the id of every decision of that UTC day, and larger than that of every earlier one.
CREATE FUNCTION mec_first_decision_id(day date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(extract(epoch FROM day)::bigint * 1000), 12, '0') || repeat('0', 20))::uuid
$$;

-- Makes the parts of today and the seven days after it that are not there, and answers how many it made. A part is made
-- apart and then attached, so nobody who writes today's decisions waits for it.
CREATE FUNCTION mec_make_decision_days() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '1s' AS $$
DECLARE
    today  date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    day    date;
    part   text;
    made   integer := 0;
BEGIN
    FOR day IN SELECT today + ahead FROM generate_series(0, 7) AS ahead LOOP
        part := 'control_decisions_log_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        BEGIN
            LOCK TABLE ONLY control_decisions_log IN SHARE UPDATE EXCLUSIVE MODE;
            -- Another node may have made it while this one waited.
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE control_decisions_log INCLUDING ALL)', part);
            EXECUTE format('ALTER TABLE control_decisions_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           part, mec_first_decision_id(day), mec_first_decision_id(day + 1));
            made := made + 1;
        EXCEPTION
            -- Rows of that day are in the rest already: there they stay until they are old.
            WHEN check_violation THEN NULL;
            -- Somebody reads the rest just now: there is time, the next call makes it.
            WHEN lock_not_available THEN EXIT;
        END;
    END LOOP;
    RETURN made;
END;
$$;

-- Removes decisions with smaller ids than that, oldest first, and answers how many. Days that are over and wholly before
-- it go at once, so it may be more than rows_max; of a day of more than a million rows it is what the server's statistics
-- say. Fewer than rows_max: there are no more.
CREATE FUNCTION mec_prune_decisions(first_kept uuid, rows_max bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '200ms' SET enable_seqscan = on SET plan_cache_mode = auto AS $$
DECLARE
    today    date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    part     record;
    counted  bigint;
    removed  bigint := 0;
    next_id  uuid;
BEGIN
    BEGIN
        -- One at a time: of two, each would wait for what the other has counted.
        LOCK TABLE ONLY control_decisions_log IN SHARE UPDATE EXCLUSIVE MODE;
        FOR part IN
            SELECT c.relname AS name, c.reltuples::bigint AS guess
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'control_decisions_log'::regclass
                AND c.relname ~ '^control_decisions_log_[0-9]{8}$'
                AND to_date(right(c.relname, 8), 'YYYYMMDD') < today
                AND mec_first_decision_id(to_date(right(c.relname, 8), 'YYYYMMDD') + 1) <= first_kept
            ORDER BY c.relname
        LOOP
            EXIT WHEN removed >= rows_max;
            EXECUTE format('SELECT count(*) FROM (SELECT FROM %I LIMIT 1000000) AS rows', part.name) INTO counted;
            IF counted = 1000000 THEN
                counted := greatest(counted, part.guess);
            END IF;
            LOCK TABLE ONLY control_decisions_log IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('DROP TABLE %I', part.name);
            removed := removed + counted;
        END LOOP;
    EXCEPTION
        -- Somebody reads the log for long: nobody waits for that, rows go one by one meanwhile.
        WHEN lock_not_available THEN removed := 0;
    END;
    IF removed < rows_max THEN
        SELECT decision_id INTO next_id FROM control_decisions_log WHERE decision_id < first_kept
        ORDER BY decision_id OFFSET rows_max - removed LIMIT 1;
        DELETE FROM control_decisions_log WHERE decision_id < coalesce(next_id, first_kept);
        GET DIAGNOSTICS counted = ROW_COUNT;
        removed := removed + counted;
    END IF;
    RETURN removed;
END;
$$;

REVOKE ALL ON FUNCTION mec_make_decision_days(), mec_prune_decisions(uuid, bigint) FROM PUBLIC;

DO $$
DECLARE
    owned regprocedure;
BEGIN
    FOREACH owned IN ARRAY ARRAY['mec_make_decision_days()', 'mec_prune_decisions(uuid, bigint)']::regprocedure[] LOOP
        -- pg_catalog is looked in first where it is not named; the caller's temporary tables are looked in last.
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', owned, current_schema());
    END LOOP;
END;
$$;

-- Everything older has a part of its own and is not of the rest: a filter that combines IS NOT NULL with OR or ANY makes
-- the planner forget the default part where it reaches below the first of the others.
DO $$
BEGIN
    EXECUTE format('CREATE TABLE control_decisions_log_earlier PARTITION OF control_decisions_log FOR VALUES FROM (MINVALUE) TO (%L)',
                   mec_first_decision_id((clock_timestamp() AT TIME ZONE 'UTC')::date));
END;
$$;
SELECT mec_make_decision_days();
