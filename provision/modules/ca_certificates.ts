// Makes the workers trust your own certificate authorities. Programs that use the system's store (curl, git, apt, Go,
// the distribution's Java) trust them at once. Node.js, Python's requests and others have their own store:
// `environment: true` points them to the system's.
import { X509Certificate } from "node:crypto";
import { UserError } from "../../common/user-error.ts";
import { environmentFunctions } from "./shared/environment.ts";
import type { BuildConfiguration, Distribution, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { feed, quote } from "../shell/shell.ts";

export const description = "Makes the workers trust your own certificate authorities";
export const settingsRequired = true;

/** A complete certificate; its key was discarded. */
const example = `\
-----BEGIN CERTIFICATE-----
MIIBOjCB7aADAgECAhQEWori1GwawSAihXGtW29/kOXXvzAFBgMrZXAwEjEQMA4G
A1UEAwwHRXhhbXBsZTAgFw0yNjExMjExNTQxNTlaGA8yMTI2MTAyODE1NDE1OVow
EjEQMA4GA1UEAwwHRXhhbXBsZTAqMAUGAytlcAMhAI6LSMuvJdJRDRNlBwn1hk7j
2bJL5/HNcZ7BJLDIEnYco1MwUTAdBgNVHQ4EFgQUsWXN/pj5NC+35kNDUR0Z8MqX
siwwHwYDVR0jBBgwFoAUsWXN/pj5NC+35kNDUR0Z8MqXsiwwDwYDVR0TAQH/BAUw
AwEB/zAFBgMrZXADQQCc5xygw0M14iIZsVnrzevwwY5MppYKvkGbT0O6pJ1L+1t/
3ekz0PjSS6tHqr8mMIiNpaNmU02dOU6YN/YvHBIH
-----END CERTIFICATE-----
`;

export const settings = {
  type: "object",
  additionalProperties: false,
  required: ["certificates"],
  examples: [{ certificates: [{ name: "example-root", source: "certificates/example-root.pem" }], environment: true }],
  properties: {
    certificates: {
      type: "array",
      minItems: 1,
      description: "The authorities, each with `content` or `source`.",
      examples: [[{ name: "example-root", source: "certificates/example-root.pem" }]],
      items: {
        type: "object",
        additionalProperties: false,
        required: ["name"],
        properties: {
          name: {
            type: "string",
            pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            description: "The name of its file.",
            examples: ["example-root"],
          },
          content: {
            type: "string",
            description: "The certificate in PEM format: the lines from BEGIN CERTIFICATE to END CERTIFICATE.",
            examples: [example],
          },
          source: {
            type: "string",
            minLength: 1,
            description: "A file on this computer with the certificate in PEM format, relative to the recipe's folder.",
            examples: ["certificates/example-root.pem"],
          },
        },
        oneOf: [{ required: ["content"] }, { required: ["source"] }],
      },
    },
    environment: {
      type: "boolean",
      default: false,
      description:
        "Whether to set NODE_EXTRA_CA_CERTS, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE to the system's store for all users (in /etc/environment).",
      examples: [true],
    },
  },
};

/** One certificate of the setting `ca_certificates`. */
interface Certificate {
  name: string;
  content?: string;
  source?: string;
}

/** Where a family keeps its certificates, and the command that builds its store from them. */
interface Store {
  folder: string;
  update: string;
  bundle: string;
}

function storeOf({ family }: Distribution): Store {
  if (family === "debian")
    return {
      folder: "/usr/local/share/ca-certificates",
      update: "update-ca-certificates",
      bundle: "/etc/ssl/certs/ca-certificates.crt",
    };
  return {
    folder: "/etc/pki/ca-trust/source/anchors",
    update: "update-ca-trust extract",
    bundle: "/etc/pki/tls/certs/ca-bundle.crt",
  };
}

const variables = ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"];

/**
 * Records the certificates.
 * @throws UserError if `content` is not a certificate, two have the same name, or a source can't be read.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const { certificates = [], environment = false } = settingsOf<{
    certificates?: Certificate[];
    environment?: boolean;
  }>(cfg, "ca_certificates", {});
  const store = storeOf(root.distribution);
  root.packages(["ca-certificates"]);
  certificates.forEach((certificate, index) => {
    refuse(name, certificates, index);
    put(root, certificate, store);
  });
  root.run(store.update);
  for (const { name: file } of certificates) isTrusted(root, file, store);
  if (environment) setVariables(root, store.bundle);
}

function refuse(name: string, certificates: readonly Certificate[], index: number): void {
  const { name: file, content } = certificates[index] ?? { name: "" };
  const key = `ca_certificates.certificates[${index}]`;
  const first = certificates.findIndex((other) => other.name === file);
  if (first < index)
    throw new UserError({
      where: `module ${name}`,
      key: `${key}.name`,
      found: `two certificates have the name "${file}"`,
      cure: "give each a different name",
    });
  if (content === undefined) return;
  const allowed = "one certificate in PEM format, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
  if (content.split("-----BEGIN").length !== 2)
    throw new UserError({ where: `module ${name}`, key: `${key}.content`, found: "not one certificate", allowed });
  try {
    new X509Certificate(content);
  } catch (error) {
    const found = `not a certificate (${(error as Error).message})`;
    throw new UserError({ where: `module ${name}`, key: `${key}.content`, found, allowed });
  }
}

function put(root: Root, { name, content = "", source }: Certificate, { folder }: Store): void {
  const file = quote(`${folder}/${name}.crt`);
  const from =
    source === undefined ? feed(content.endsWith("\n") ? content : `${content}\n`) : `<${quote(root.upload(source))}`;
  root.run(
    [
      `install -D -m 0644 /dev/stdin ${file} ${from}`,
      // Debian's tool skips files with several certificates, with only a warning.
      `if [ "$(grep -c '^-----BEGIN' ${file})" != 1 ] || ! grep -q '^-----BEGIN CERTIFICATE-----' ${file}; then`,
      `  rm ${file}`,
      `  echo ${quote(`ca_certificates: ${name} is not one certificate as PEM; put each into a file of its own`)} >&2`,
      `  exit 1`,
      `fi`,
    ].join("\n"),
  );
}

/** Both families' stores are files with all certificates; only the line breaks inside a certificate may differ. */
function isTrusted(root: Root, name: string, { folder, bundle }: Store): void {
  root.check(
    `the certificate authority ${name} is trusted`,
    `body=$(sed '/^-----/d' ${quote(`${folder}/${name}.crt`)} | tr -d '[:space:]')
[ -n "$body" ]
tr -d '[:space:]' <${bundle} | grep --fixed-strings --quiet -- "$body"`,
  );
}

function setVariables(root: Root, bundle: string): void {
  root.run([environmentFunctions, ...variables.map((variable) => `set_variable ${variable} ${bundle}`)].join("\n"));
  root.check(
    "programs with a store of their own are pointed to the system's",
    variables.map((variable) => `grep -qx ${variable}=${bundle} /etc/environment`).join("\n"),
  );
}
