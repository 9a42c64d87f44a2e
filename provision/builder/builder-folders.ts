// Folders on the builder during a bake.

/** The start of uploaded files' names. `/var/tmp` survives a reboot during a bake, and sealing empties it. */
export const uploadPrefix = "/var/tmp/ci-images-";

/** Files of the running bake (secrets, marks, scripts): in memory, and gone after a reboot. */
export const runFolder = "/run/ci-images";

/**
 * On a builder that started from a layer: the prefix hashes of the modules in it, one per line. It is in memory, so
 * that it never gets into an image.
 */
export const presentModules = "/run/ci-images-present-modules";

/** The folder with the secrets while a module's script runs, one file each, for root only. */
export const secretsFolder = `${runFolder}/secrets`;
