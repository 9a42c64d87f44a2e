// Where things of a running bake lie on the builder.

/** Uploaded files go here by name: `/var/tmp` outlives a reboot in the middle of a bake, and sealing empties it. */
export const uploadPrefix = "/var/tmp/ci-images-";

/** What belongs to the running bake (secrets, marks, scripts): in memory, and gone after a reboot. */
export const runFolder = "/run/ci-images";

/**
 * On a builder that started from a layer: the prefix hashes of the modules that came with it, one a line. It lies in memory, so that it is
 * in no image.
 */
export const presentModules = "/run/ci-images-present-modules";

/** Where secrets lie while a module's script runs, a file each; for root only. */
export const secretsFolder = `${runFolder}/secrets`;
