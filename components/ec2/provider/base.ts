// Base images: the newest AMI of an owner whose name matches a pattern, or the one named by an SSM parameter.
import type { Image } from "@aws-sdk/client-ec2";
import { distance } from "fastest-levenshtein";
import type { AnswerOf, InputsOf } from "../../../common/contract.ts";
import { UserError } from "../../../common/user-error.ts";
import type { resolveBase } from "../contract.ts";
import { asking, ec2, errorCode, ssm } from "./client.ts";

type BaseQuery = InputsOf<typeof resolveBase>;

const architectures = { amd64: "x86_64", arm64: "arm64" } as const;

/**
 * Finds the base image.
 * @throws UserError that says what was looked for and where, and lists similar names.
 */
export async function findBase(query: BaseQuery): Promise<AnswerOf<typeof resolveBase>> {
  const { region, distribution, source } = query;
  return asking(`looking for the base image of ${distribution} in ${region}`, async () => {
    const image = await find(query);
    const wanted = architectures[query.architecture];
    if (image.Architecture !== wanted) {
      refuse(query, `${image.ImageId} (${image.Name}) is for ${image.Architecture}, not ${wanted}`, [], "architecture");
    }
    const { DeprecationTime } = image;
    const deprecated = DeprecationTime !== undefined && Date.parse(DeprecationTime) < Date.now();
    const notice = `the base image ${image.Name} (${image.ImageId}) has been deprecated since ${DeprecationTime}`;
    // A parameter names the publisher's newest image, deprecated or not.
    const warns = deprecated && !("parameter" in source);
    return { id: image.ImageId!, description: image.Name ?? image.ImageId!, ...(warns && { notice }) };
  });
}

async function find(query: BaseQuery): Promise<Image> {
  const { source } = query;
  if ("id" in source) return byId(query, source.id);
  if ("parameter" in source) return byId(query, await valueOf(query, source.parameter));
  // Public AMIs are deprecated after two years at the latest, and hidden from then on unless requested.
  // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html
  for (const IncludeDeprecated of [false, true]) {
    const images = await named(query, source.owner, source.name, IncludeDeprecated);
    const [newest] = images.sort((a, b) => (b.CreationDate ?? "").localeCompare(a.CreationDate ?? ""));
    if (newest) return newest;
  }
  // The first word: debian-*, Rocky-*, CentOS *.
  const wider = `${/^[A-Za-z]+/.exec(source.name)?.[0] ?? ""}*`;
  const others = (await named(query, source.owner, wider, true)).flatMap(({ Name }) => Name ?? []);
  return refuse(query, `no AMI of owner ${source.owner} has a name like "${source.name}"`, others, source.name);
}

async function byId(query: BaseQuery, id: string): Promise<Image> {
  const client = await ec2(query.region);
  try {
    const { Images = [] } = await client.describeImages({ ImageIds: [id], IncludeDeprecated: true });
    if (Images[0]?.State === "available") return Images[0];
    return refuse(query, `${id} is ${Images[0]?.State ?? "not there"}`, [], id);
  } catch (error) {
    if (!errorCode(error).startsWith("InvalidAMIID")) throw error;
    return refuse(query, `there is no AMI ${id} that this account may use`, [], id);
  }
}

async function valueOf(query: BaseQuery, name: string): Promise<string> {
  const client = await ssm(query.region);
  try {
    const { Parameter } = await client.getParameter({ Name: name });
    if (Parameter?.Value?.startsWith("ami-")) return Parameter.Value;
    return refuse(query, `the SSM parameter ${name} holds no AMI's id: ${Parameter?.Value}`, [], name);
  } catch (error) {
    if (errorCode(error) !== "ParameterNotFound") throw error;
    // The parent folder: /aws/service/canonical/ubuntu/server.
    const Path = name.split("/").slice(0, 6).join("/");
    const { Parameters = [] } = await client.getParametersByPath({ Path, Recursive: true, MaxResults: 10 });
    const names = Parameters.flatMap((parameter) => parameter.Name ?? []);
    return refuse(query, `there is no SSM parameter ${name}`, names, name);
  }
}

async function named(
  { region, architecture }: BaseQuery,
  owner: string,
  name: string,
  IncludeDeprecated: boolean,
): Promise<Image[]> {
  const { Images = [] } = await (
    await ec2(region)
  ).describeImages({
    Owners: [owner],
    IncludeDeprecated,
    Filters: [
      { Name: "name", Values: [name] },
      { Name: "architecture", Values: [architectures[architecture]] },
      { Name: "state", Values: ["available"] },
    ],
  });
  return Images;
}

function refuse({ region, distribution }: BaseQuery, found: string, others: string[], wanted: string): never {
  const near = [...new Set(others)].sort((a, b) => distance(a, wanted) - distance(b, wanted)).slice(0, 5);
  throw new UserError({
    where: `base image of ${distribution} in ${region}`,
    found,
    ...(near.length > 0 && { allowed: `similar names: ${near.join(", ")}` }),
    cure: `choose another in the stack: npx pulumi config set --path ci-images:ec2.bases["${distribution}"].id ami-...`,
  });
}
