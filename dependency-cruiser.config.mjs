// The walls between the parts of the program, checked by `npm run lint`. See CONTRIBUTING.md for the map.
const clouds = "ec2|gce|openstack|local";

const sdks = {
  ec2: "@pulumi/aws|@aws-sdk/[^/]+",
  gce: "@pulumi/gcp|google-auth-library",
  openstack: "@pulumi/openstack",
};

/** What both processes read. */
const contracts = `^components/(shared|${clouds})/contract\\.ts$`;

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "no-circles",
      comment: "Two files that need each other, by types too, are one file or need a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "life-cycle-knows-no-cloud",
      severity: "error",
      from: { path: "^components/(life-cycle|shared)/" },
      to: { path: `^components/(${clouds})/` },
    },
    {
      name: "clouds-are-apart",
      comment: "But every cloud can import what was baked on `local`: it reads those images' disks.",
      severity: "error",
      from: { path: `^components/(${clouds})/` },
      to: {
        path: `^components/(${clouds})/`,
        pathNot: [
          "^components/$1/",
          "^components/local/provider/disk/(image-store|image-disk|data-blocks|guest-facts)\\.ts$",
        ],
      },
    },
    {
      name: "kit-knows-no-cloud",
      severity: "error",
      from: { path: "^provider/kit/" },
      to: { path: `^components/(${clouds})/` },
    },
    {
      name: "program-does-not-load-the-plugin",
      comment: "Program and plugin are two processes: the plugin's code would be loaded twice.",
      severity: "error",
      from: { path: "^(index\\.ts|components/)", pathNot: `^components/(${clouds})/provider/` },
      to: { path: `^(provider/|components/(${clouds})/provider/)`, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "plugin-does-not-load-the-program",
      severity: "error",
      from: { path: `^(provider/|components/(${clouds})/provider/)` },
      to: {
        path: `^components/(life-cycle|shared|[^/]+\\.ts$|(${clouds})/[^/]+\\.ts$)`,
        pathNot: contracts,
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "contracts-are-for-both",
      comment: "Program and plugin read them: what they load, both load.",
      severity: "error",
      from: { path: contracts },
      to: { path: "^(components|provider|provision|cli)/", pathNot: contracts, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "imports-run-one-way",
      severity: "error",
      from: { path: "^(provision|common)/" },
      to: { path: "^(components|provider|cli|index\\.ts)" },
    },
    {
      name: "common-belongs-to-nobody",
      severity: "error",
      from: { path: "^common/" },
      to: { path: "^(provision|toolchain)/" },
    },
    ...Object.entries(sdks).map(([cloud, sdk]) => ({
      name: `sdk-of-${cloud}`,
      comment: "An SDK costs seconds and hundreds of megabytes: only the cloud in use loads its own.",
      severity: /** @type {const} */ ("error"),
      from: { pathNot: `^components/${cloud}/` },
      to: { path: `^node_modules/(${sdk})(/|$)` },
    })),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    exclude: { path: "^(test|bench)/" },
  },
};
