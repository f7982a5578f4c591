#!/bin/sh
# Makes the role that `mec serve` connects as; `mec migrate --app-role` gives it what it needs and nothing else. The image
# of PostgreSQL runs this once, while it makes its directory.
set -e
if [ -z "${MEC_APP_PASSWORD:-}" ]; then
    echo "MEC_APP_PASSWORD is not set" >&2
    exit 1
fi
psql --set=ON_ERROR_STOP=1 --set=password="$MEC_APP_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE mec_app LOGIN PASSWORD :'password';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
