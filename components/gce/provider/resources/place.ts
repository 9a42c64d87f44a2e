// The inputs that resources about one machine have in common, as JSON schemas.

/** Which machine: {@link import("../machines.ts").Place}. */
export const placeProperties = {
  project: { type: "string" },
  zone: { type: "string" },
  machine: { type: "string" },
} as const;

/** Which machine, and which of all that ever had that name. */
export const instanceProperties = { ...placeProperties, instance: { type: "string" } } as const;

/** Another machine, or another one of the same name, needs another step. */
export const replaceOnInstance = ["project", "zone", "machine", "instance"] as const;
