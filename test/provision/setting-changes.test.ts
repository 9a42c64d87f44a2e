// What changed in a module's settings, in words.
import assert from "node:assert/strict";
import { secretText } from "../../provision/shell/secret-text.ts";
import { rememberedSettings, settingChanges } from "../../provision/setting-changes.ts";

describe("changes of settings", () => {
  const changes = (key: string, before: unknown, after: unknown) =>
    settingChanges(key, rememberedSettings(before), rememberedSettings(after));

  it("an entry that changed in place is shown by its index, with the words that differ", () => {
    const before = ["install -d -m 0777 /srv/cache", "systemctl enable x"];
    const after = ["install -d -m 0755 /srv/cache", "systemctl enable x"];
    assert.deepEqual(changes("run", before, after), ['run[0]: "install -d -m 0777 /srv/cache" => "… 0755 …"']);
  });

  it("entries that came and went are listed with + and -, and a new order is called that", () => {
    assert.deepEqual(changes("add_users", ["anna"], ["anna", "harlowja"]), ["add_users: + harlowja"]);
    assert.deepEqual(changes("install_packages", ["git", "curl", "jq"], ["git", "jq"]), ["install_packages: - curl"]);
    assert.deepEqual(changes("path", ["a", "b"], ["b", "a"]), ["path: order changed"]);
  });

  it("a value deep in the settings is shown by its path", () => {
    assert.deepEqual(changes("java", { version: 17 }, { version: 21 }), ["java.version: 17 => 21"]);
    assert.deepEqual(changes("node", { a: { b: true } }, { a: {}, "odd key": 1 }), [
      "node.a.b: removed (true)",
      'node["odd key"]: + 1',
    ]);
    assert.deepEqual(changes("umask", "022", 22), ['umask: "022" => 22']);
    assert.deepEqual(changes("run", ["x"], ["true"]), ['run[0]: x => "true"']);
  });

  it("a secret is shown by its name, a long text by its first line and whether it changed", () => {
    assert.deepEqual(changes("token", secretText("OLD"), secretText("NEW")), [
      'token: "{ secret: OLD }" => "{ secret: NEW }"',
    ]);
    const [line] = changes("files", [`first\n${"x\n".repeat(200)}`], [`first\n${"y\n".repeat(200)}`]);
    assert.match(line, /^files\[0\]: "first… \(202 lines, [0-9a-f]{8}\)" => /);
    assert.doesNotMatch(line, /x\\nx/);
  });

  it("a rewritten list is cut after a few lines, with the number of the rest", () => {
    const lines = changes("run", [], [...Array(20).keys()]);
    assert.equal(lines.length, 8);
    assert.equal(lines.at(-1), "run: and 13 more changes");
  });
});
