// Folders on the builder during a bake.

/**
 * Uploaded files get names that start with this: `/var/tmp` survives a reboot during a bake, and sealing empties it.
 */
export const uploadPrefix = "/var/tmp/ci-images-";

/** Files of the running bake (secrets, marks, scripts): in memory, and gone after a reboot. */
export const runFolder = "/run/ci-images";

/**
 * On a builder that started from a layer: the prefix hashes of the modules that came with it, one a line. It lies in memory, so that it is
 * in no image.
 */
export const presentModules = "/run/ci-images-present-modules";

/** Where secrets lie while a module's script runs, a file each; for root only. */
export const secretsFolder = `${runFolder}/secrets`;
