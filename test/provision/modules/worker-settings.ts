// Settings that use all features of the old workers' modules, and the distributions that refuse a module.

const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const repository = {
  name: "example",
  url: "https://packages.example.com/it",
  key_url: "https://packages.example.com/key.asc",
};

/** Settings by module. */
export const workerSettings: Record<string, unknown> = {
  repositories: {
    apt: [
      { ...repository, suites: ["stable"], components: ["main", "more"], key_sha256: digest },
      {
        ...repository,
        name: "flat",
        suites: ["./"],
        key_fingerprint: "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88",
      },
    ],
    dnf: [
      {
        name: "example",
        url: "https://packages.example.com/$releasever",
        key: "-----BEGIN PGP PUBLIC KEY BLOCK-----\nit's\n",
      },
    ],
  },
  selinux: { relabel: true },
  firewall: { ports: ["80/tcp", "60000-61000/udp"] },
  network_card_fix: { features: { "scatter-gather": false, "rx-checksumming": true } },
  path: ["/opt/tools/bin", "/usr/local/bin"],
  docker: { gid: 999, users: ["jenkins"], daemon: { "log-driver": "it's" } },
  docker_images: ["busybox:1.37", `registry.example.com:5000/team/tools@sha256:${digest}`],
  root_key: { key: "-----BEGIN OPENSSH PRIVATE KEY-----\nit's\n-----END OPENSSH PRIVATE KEY-----\n" },
  fpm: { version: "1.16.0", source: "https://gems.example.com/" },
  git: { version: "2.47.1", sha256: digest, url: "https://mirror.example.com/git.tar.gz?it's" },
  pip: { version: "25.0.1", sha256: digest, index_url: "https://pypi.example.com/simple" },
  wheel_cache: {
    requirements: ["flask>=3; it's"],
    files: ["package.deb"],
    user: "root",
    index_url: "https://pypi.example.com/simple",
  },
  pypy: { version: "7.3.17", python: "2.7", sha256: digest, url: "https://mirror.example.com/pypy.tar.bz2" },
};

/** Tested distributions on which a module is refused. */
export const refusedOn: Record<string, string[]> = {
  install_debs: ["rocky9", "amazonlinux2023"],
  selinux: ["debian12", "ubuntu24.04"],
  zfs: ["amazonlinux2023"],
};
