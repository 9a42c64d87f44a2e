// Explains in words what changed in a module's settings.
import assert from "node:assert/strict";
import { secretText } from "../../provision/shell/secret-text.ts";
import { rememberedSettings, settingChanges } from "../../provision/setting-changes.ts";

describe("the explanation of changed settings", () => {
  const changes = (key: string, before: unknown, after: unknown) =>
    settingChanges(key, rememberedSettings(before), rememberedSettings(after));

  it("shows a changed entry by its index, with the words that differ", () => {
    const before = ["install -d -m 0777 /srv/cache", "systemctl enable x"];
    const after = ["install -d -m 0755 /srv/cache", "systemctl enable x"];
    assert.deepEqual(changes("run", before, after), ['run[0]: "install -d -m 0777 /srv/cache" => "… 0755 …"']);
  });

  it("lists added and removed entries with + and -, and says if only the order changed", () => {
    assert.deepEqual(changes("add_users", ["anna"], ["anna", "harlowja"]), ["add_users: + harlowja"]);
    assert.deepEqual(changes("install_packages", ["git", "curl", "jq"], ["git", "jq"]), ["install_packages: - curl"]);
    assert.deepEqual(changes("path", ["a", "b"], ["b", "a"]), ["path: order changed"]);
  });

  it("shows a nested value by its path", () => {
    assert.deepEqual(changes("java", { version: 17 }, { version: 21 }), ["java.version: 17 => 21"]);
    assert.deepEqual(changes("node", { a: { b: true } }, { a: {}, "odd key": 1 }), [
      "node.a.b: removed (true)",
      'node["odd key"]: + 1',
    ]);
    assert.deepEqual(changes("umask", "022", 22), ['umask: "022" => 22']);
    assert.deepEqual(changes("run", ["x"], ["true"]), ['run[0]: x => "true"']);
  });

  it("shows a secret by its name, and a long text by its first line and a digest", () => {
    assert.deepEqual(changes("token", secretText("OLD"), secretText("NEW")), [
      'token: "{ secret: OLD }" => "{ secret: NEW }"',
    ]);
    const [line] = changes("files", [`first\n${"x\n".repeat(200)}`], [`first\n${"y\n".repeat(200)}`]);
    assert.match(line, /^files\[0\]: "first… \(202 lines, [0-9a-f]{8}\)" => /);
    assert.doesNotMatch(line, /x\\nx/);
  });

  it("cuts a rewritten list after a few lines, and says how many are left", () => {
    const lines = changes("run", [], [...Array(20).keys()]);
    assert.equal(lines.length, 8);
    assert.equal(lines.at(-1), "run: and 13 more changes");
  });
});
