// Complete bakes with customisations from public image builds. README.md lists the source and result of each case.
import assert from "node:assert/strict";
import { bakeCases } from "./bake.ts";

/** Cases that are baked together. Only their order matters. */
const batches: Record<string, { cases: string[]; recipe?: Record<string, unknown> }> = {
  "accounts, files, identities": {
    cases: [
      // First, so that everything after it runs with translated messages.
      "locale",
      "odd_files",
      "user_units",
      "diversions",
      "debconf",
      "ids",
      "homes",
      "pam",
      "initramfs_hook",
      // Before identity, because it sets the host name that RabbitMQ records.
      "host_name",
      "identity",
      "crontab",
      "chrony",
    ],
  },
  "what runner images and cluster nodes do": {
    cases: [
      "apt_wrapper",
      "global_variables",
      "raised_limits",
      "other_architectures",
      "apt_hooks",
      "kubernetes_node",
      "podman_rootless",
      "pip_over_system",
      "open_permissions",
      // Last, because it deletes files that other cases check.
      "own_cleanup",
    ],
    recipe: { size: "12G" },
  },
  "kernels, containers": {
    cases: ["repositories", "second_kernel", "docker", "docker_load", "docker_images"],
    recipe: { size: "12G", repositories: ["backports"], docker_images: ["localhost:5000/field:1"] },
  },
  "roots, virtual machines, networks, other package managers": {
    cases: ["chroots", "virtualisation", "network_manager", "snapd", "flatpak", "nix", "grub"],
    recipe: { size: "12G" },
  },
  "services and agents": {
    cases: [
      "many_services",
      "zram_swap",
      "databases",
      "directory_services",
      "azure_agent",
      "overlay_root",
      "own_keys_by_script",
      "ssh_socket",
      "cloud_settings",
      "local_repository",
    ],
    recipe: { size: "12G" },
  },
  "caches and toolchains of accounts": {
    cases: [
      "symlinked_folders",
      "many_small_files",
      "big_cache",
      "maven_cache",
      "npm_of_user",
      "cuda_without_gpu",
      "android",
      "python_of_user",
    ],
    recipe: { size: "12G" },
  },
  "what systemd makes at boot, disks, shares, devices": {
    cases: [
      "sysusers_tmpfiles",
      "credentials",
      "extensions",
      "swap_file",
      "storage_tools",
      "nfs_client",
      "udev_rules",
      "apparmor_profile",
      "init_scripts",
      "remote_logs",
    ],
  },
  "logins, authorities, commands, proxies": {
    cases: [
      "data_sources",
      "sudo_rules",
      "docker",
      "docker_elsewhere",
      "git_for_all",
      "own_authority",
      "podman_socket",
      "ssh_authority",
      "python_alternatives",
      "virtual_screen",
      "skeleton",
      // Last, because its proxy cuts the bake off from the network.
      "proxies",
    ],
    recipe: {
      docker: {
        daemon: {
          "data-root": "/data/docker",
          "storage-driver": "overlay2",
          "log-driver": "json-file",
          "log-opts": { "max-size": "10m", "max-file": "3" },
          "live-restore": true,
          "userland-proxy": false,
          "default-address-pools": [{ base: "10.200.0.0/16", size: 24 }],
          bip: "10.200.255.1/24",
          "registry-mirrors": ["https://mirror.example.com"],
        },
      },
    },
  },
  "hardening, dracut, resolved": { cases: ["dracut", "resolved", "hardening"] },
};

describe("cases from the field", function () {
  this.timeout("2h");

  for (const [name, { cases, recipe }] of Object.entries(batches)) {
    it(`pass on the builder and on the image: ${name}`, async () => {
      await bakeCases(cases, recipe);
    });
  }

  it("fail before the image is made if cloud-init's default user differs from the distribution's", async () => {
    await assert.rejects(bakeCases(["default_user"], { size: "4G" }), /default_user in \/etc\/cloud is builder/);
  });
});
