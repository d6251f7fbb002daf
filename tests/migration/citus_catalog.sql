-- What `wallet migrate --distribute` and the lanes see of Citus, without Citus: its catalog, and functions of its names and
-- arguments that note their call there. Shards divide the hashes evenly, as Citus divides them.

CREATE SCHEMA citus;
CREATE TABLE citus.calls (call_id bigint GENERATED ALWAYS AS IDENTITY, statement text NOT NULL, acts_as text NOT NULL);
CREATE TABLE citus.pg_dist_partition (
    logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text, colocationid integer NOT NULL,
    repmodel "char" NOT NULL
);
CREATE TABLE citus.pg_dist_shard (
    logicalrelid regclass NOT NULL, shardid bigint PRIMARY KEY, shardminvalue text, shardmaxvalue text
);
GRANT USAGE ON SCHEMA citus TO PUBLIC;
GRANT SELECT ON citus.pg_dist_partition, citus.pg_dist_shard TO PUBLIC;

CREATE FUNCTION citus.create_reference_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO citus.calls (statement, acts_as) VALUES ('reference ' || table_name, current_user);
    INSERT INTO citus.pg_dist_partition VALUES (table_name, 'n', NULL, 1, 't');
END $$;

CREATE FUNCTION citus.create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count integer DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    width bigint;
BEGIN
    INSERT INTO citus.calls (statement, acts_as) VALUES ('distributed ' || table_name, current_user);
    IF EXISTS (SELECT FROM citus.pg_dist_partition WHERE logicalrelid = table_name) THEN
        RAISE EXCEPTION 'table "%" is already distributed', table_name USING ERRCODE = '42P16';
    END IF;
    IF colocate_with = 'none' THEN
        width := 4294967296 / shard_count;
        INSERT INTO citus.pg_dist_shard
        SELECT table_name, 102008 + n, (n * width - 2147483648)::text, ((n + 1) * width - 2147483649)::text
        FROM generate_series(0, shard_count - 1) n;
    ELSIF NOT EXISTS (SELECT FROM citus.pg_dist_partition WHERE logicalrelid = colocate_with::regclass) THEN
        RAISE EXCEPTION 'relation % is not distributed', colocate_with;
    END IF;
    INSERT INTO citus.pg_dist_partition VALUES (table_name, 'h', distribution_column, 2, 's');
END $$;

CREATE FUNCTION citus.undistribute_table(table_name regclass, cascade_via_foreign_keys boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO citus.calls (statement, acts_as) VALUES ('local ' || table_name, current_user);
    DELETE FROM citus.pg_dist_partition WHERE logicalrelid = table_name;
END $$;

CREATE FUNCTION citus.truncate_local_data_after_distributing_table(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO citus.calls (statement, acts_as) VALUES ('truncated ' || table_name, current_user);
END $$;

CREATE FUNCTION citus.get_shard_id_for_distribution_column(table_name regclass, distribution_value anyelement)
RETURNS bigint LANGUAGE sql AS $$
    SELECT shardid FROM citus.pg_dist_shard
    WHERE logicalrelid = table_name
      AND uuid_hash(distribution_value::text::uuid) BETWEEN shardminvalue::integer AND shardmaxvalue::integer
$$;
