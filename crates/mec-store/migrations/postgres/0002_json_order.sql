-- The order of JSON values: that of JSONB, but for text, which is ordered by its bytes at every depth, whatever the
-- database's own collation is. mec_json_order is what programs of schema 1 call.

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
