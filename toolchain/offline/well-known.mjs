// Some of protobuf's well-known messages, from the copy of google-protobuf that @pulumi/pulumi uses.
import { createRequire } from "node:module";

const from = createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json");
const load = /** @type {(name: string) => unknown} */ (createRequire(from));

export const { Empty } = /** @type {typeof import("google-protobuf/google/protobuf/empty_pb.js")} */ (
  load("google-protobuf/google/protobuf/empty_pb.js")
);

export const { Struct } = /** @type {typeof import("google-protobuf/google/protobuf/struct_pb.js")} */ (
  load("google-protobuf/google/protobuf/struct_pb.js")
);

export const { Any } = /** @type {typeof import("google-protobuf/google/protobuf/any_pb.js")} */ (
  load("google-protobuf/google/protobuf/any_pb.js")
);
