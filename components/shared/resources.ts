// Typed handles for the resources that every cloud uses. contract.ts defines them.
import * as contract from "./contract.ts";
import { ownResource } from "./own-resource.ts";

export const KeyPair = ownResource(contract.KeyPair);
export type KeyPair = InstanceType<typeof KeyPair>;
export const Forward = ownResource(contract.Forward);
export type Forward = InstanceType<typeof Forward>;
export const Login = ownResource(contract.Login);
export const Return = ownResource(contract.Return);
export const Upload = ownResource(contract.Upload);
