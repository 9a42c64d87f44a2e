// The resource types and functions that belong to no cloud.
import { bastion } from "./functions/bastion.ts";
import { ownAddress } from "./functions/own-address.ts";
import { tunnelTools } from "./functions/tunnel-tools.ts";
import { forward } from "./resources/forward.ts";
import { keyPair } from "./resources/key-pair.ts";
import { login } from "./resources/login.ts";
import { returned } from "./resources/return.ts";
import { upload } from "./resources/upload.ts";

export const resources = [keyPair, login, forward, upload, returned];
export const functions = [ownAddress, bastion, tunnelTools];
