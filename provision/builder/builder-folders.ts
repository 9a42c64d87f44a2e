// Where things of a running bake lie on the builder.

/** Uploaded files go here by name: `/var/tmp` outlives a reboot in the middle of a bake, and sealing empties it. */
export const uploadPrefix = "/var/tmp/ci-images-";

/** What belongs to the running bake (secrets, marks, scripts): in memory, and gone after a reboot. */
export const runFolder = "/run/ci-images";

/** Where secrets lie while a module's script runs, a file each; for root only. */
export const secretsFolder = `${runFolder}/secrets`;
