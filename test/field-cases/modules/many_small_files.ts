// Hundreds of thousands of small files, like in a checkout with node_modules or in a package cache.
import type { Root } from "../../../provision/module.ts";

export const description = "Makes 250,000 small files and one folder with 50,000";

export function modify(_name: string, root: Root): void {
  root.run(`
    [ -e /opt/many/done ] || python3 - <<'END'
import os
for i in range(2500):
    os.makedirs(f"/opt/many/{i}/node_modules", exist_ok=True)
    for j in range(100):
        open(f"/opt/many/{i}/node_modules/{j}.js", "w").write("x")
os.makedirs("/opt/many/flat", exist_ok=True)
for j in range(50000):
    open(f"/opt/many/flat/a-file-with-a-rather-long-name-{j}", "w").close()
open("/opt/many/done", "w").close()
END`);
  root.check("all files exist", '[ "$(find /opt/many -type f | wc -l)" = 300001 ]', { timeoutSeconds: 300 });
}
