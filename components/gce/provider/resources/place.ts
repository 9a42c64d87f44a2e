// The inputs shared by resources that act on one machine, as JSON schemas.

/** Which machine: {@link import("../machines.ts").Place}. */
export const placeProperties = {
  project: { type: "string" },
  zone: { type: "string" },
  machine: { type: "string" },
} as const;

/** Which machine, among all that ever had that name. */
export const instanceProperties = { ...placeProperties, instance: { type: "string" } } as const;

/** Another machine, even of the same name, needs another step. */
export const replaceOnInstance = ["project", "zone", "machine", "instance"] as const;
