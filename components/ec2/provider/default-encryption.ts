// "EBS encryption by default": an account's setting in a region that encrypts every new disk, whatever the request
// says. https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html
import { UserError } from "../../../common/user-error.ts";
import { asking, ec2 } from "./client.ts";

/**
 * Checks the account's setting for a stack with `encrypted: false`.
 * @param regions Where the stack bakes, and where it copies to.
 * @param isShared Whether others will launch the images.
 * @returns notices for the user, one line per region.
 * @throws UserError if images are to be shared but AWS would encrypt them with its own key, which can't be shared.
 */
export async function checkDefaultEncryption(regions: readonly string[], isShared: boolean): Promise<string[]> {
  const found = await Promise.all(regions.map(keyOf));
  const encrypting = found.flatMap((key, index) => (key === undefined ? [] : [{ region: regions[index], key }]));
  const own = encrypting.filter(({ key }) => /alias\/aws\/ebs$/.test(key)).map(({ region }) => region);
  if (isShared && own.length > 0) {
    throw new UserError({
      where: "stack setting ci-images:ec2.encrypted",
      found: `false, but the account encrypts every disk in ${own.join(", ")} with AWS's own key (EBS encryption by default), and sharing is set`,
      allowed: "a customer's key: images encrypted with AWS's own EBS key can't be shared",
      cure: "set encrypted: true and kmsKeys, or give the account another default key: aws ec2 modify-ebs-default-kms-key-id",
    });
  }
  return encrypting.map(
    ({ region, key }) =>
      `ci-images:ec2.encrypted is false, but the account encrypts every disk in ${region} (EBS encryption by default, ${key})`,
  );
}

/** The key that disks are encrypted with by default; undefined if they aren't. */
async function keyOf(region: string): Promise<string | undefined> {
  return asking(`asking whether disks in ${region} are encrypted by default`, async () => {
    const client = await ec2(region);
    const { EbsEncryptionByDefault } = await client.getEbsEncryptionByDefault({});
    if (!EbsEncryptionByDefault) return undefined;
    return (await client.getEbsDefaultKmsKeyId({})).KmsKeyId ?? "alias/aws/ebs";
  });
}
