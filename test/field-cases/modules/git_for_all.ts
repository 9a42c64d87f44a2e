// git for every account: safe directories, a mirror to borrow objects from, rewritten URLs, a credential helper.
import type { Root } from "../../../provision/module.ts";

export const description = "Sets up git for all accounts, with a mirror";

export function modify(_name: string, root: Root): void {
  root.packages(["git", "git-lfs"]);
  root.run(`
    id field-git >/dev/null 2>&1 || useradd --create-home field-git
    git config --system --replace-all safe.directory '*'
    git config --system --replace-all credential.helper '!aws codecommit credential-helper $@'
    git config --system url.https://mirror.example.com/.insteadOf https://git.example.com/
    git lfs install --system
    if [ ! -d /var/cache/git/field.git ]; then
      work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
      git -C "$work" -c init.defaultBranch=main init -q
      echo field >"$work/file"; git -C "$work" add file
      git -C "$work" -c user.name=field -c user.email=field@example.com commit -q -m first
      mkdir -p /var/cache/git; git clone -q --mirror "$work" /var/cache/git/field.git
    fi
    chown -R field-git: /var/cache/git
    install -d -o field-git -g field-git /home/field-git/.config/git
    printf '[user]\\n\\tname = Field\\n[include]\\n\\tpath = /etc/gitconfig.field\\n' >/home/field-git/.config/git/config
    chown field-git: /home/field-git/.config/git/config`);
  root.check(
    "another account clones from the mirror",
    `cd "$(mktemp -d)" && git clone -q --reference /var/cache/git/field.git file:///var/cache/git/field.git copy && [ "$(cat copy/file)" = field ]`,
  );
  root.check(
    "the system's and one account's settings apply",
    'git config --system --get credential.helper | grep -q codecommit && [ "$(runuser -u field-git -- env HOME=/home/field-git git config user.name)" = Field ]',
  );
}
