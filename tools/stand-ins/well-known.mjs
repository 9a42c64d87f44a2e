// Two of protobuf's well-known messages, out of the very copy of google-protobuf that @pulumi/pulumi's messages use.
import { createRequire } from "node:module";

const require = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json"));

export const { Empty } = /** @type {typeof import("google-protobuf/google/protobuf/empty_pb.js")} */ (
  require("google-protobuf/google/protobuf/empty_pb.js")
);

export const { Struct } = /** @type {typeof import("google-protobuf/google/protobuf/struct_pb.js")} */ (
  require("google-protobuf/google/protobuf/struct_pb.js")
);
