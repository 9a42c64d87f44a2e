// A large cache.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes an incompressible cache of 3 GB, in one large file and 50 smaller files";

export function modify(_name: string, root: Root): void {
  root.run(`
    mkdir -p /opt/cache
    [ -s /opt/cache/big ] || openssl enc -aes-128-ctr -pass pass:field -nosalt </dev/zero 2>/dev/null | head -c 2500000000 >/opt/cache/big || true
    for i in $(seq 50); do [ -s /opt/cache/$i ] || openssl enc -aes-128-ctr -pass pass:$i -nosalt </dev/zero 2>/dev/null | head -c 10000000 >/opt/cache/$i || true; done
    (cd /opt/cache; sha256sum big 1 50) >/opt/cache.sums`);
  root.check(
    "the cache is intact",
    '[ "$(stat -c %s /opt/cache/big)" = 2500000000 ] && cd /opt/cache && sha256sum --quiet -c /opt/cache.sums',
    { timeoutSeconds: 600 },
  );
}
