// Databases with content, one of them in a custom data directory.
import type { Root } from "../../../provision/module.ts";

export const description = "Fills databases";

export function modify(_name: string, root: Root): void {
  root.packages(["mariadb-server", "postgresql"]);
  root.run(`
    systemctl start mariadb
    mariadb -e "CREATE DATABASE IF NOT EXISTS field; CREATE TABLE IF NOT EXISTS field.t (a INT); REPLACE INTO field.t VALUES (42); CREATE USER IF NOT EXISTS ci@localhost IDENTIFIED BY 'ci'; GRANT ALL ON field.* TO ci@localhost"
    if ! pg_lsclusters --no-header | grep -q ' ci '; then
      mkdir -p /srv/postgresql && chown postgres:postgres /srv/postgresql
      pg_createcluster --datadir /srv/postgresql/ci --port 5499 15 ci
    fi
    systemctl start postgresql@15-ci
    runuser -u postgres -- psql -p 5499 -tc "SELECT 1 FROM pg_database WHERE datname = 'field'" | grep -q 1 || runuser -u postgres -- createdb -p 5499 field
    systemctl enable postgresql@15-ci`);
  root.check(
    "the user can read MariaDB's row",
    `[ "$(mariadb -u ci -pci -N -e 'SELECT a FROM field.t LIMIT 1')" = 42 ]`,
    { timeoutSeconds: 120 },
  );
  root.check("PostgreSQL has the database", `cd /; runuser -u postgres -- psql -p 5499 -l | grep -q field`, {
    timeoutSeconds: 120,
  });
}
