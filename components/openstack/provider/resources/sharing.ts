// Controls who else may use an image: Glance's visibility and members. Only declared for proven images.
// https://docs.openstack.org/api-ref/image/v2/#sharing
import { UserError } from "../../../../common/user-error.ts";
import { findImage, setProperties } from "../images.ts";
import { quiet, Region, unlessMissing } from "../region.ts";
import type { InputsOf } from "../../../../common/contract.ts";
import { Sharing } from "../../contract.ts";
import { implement } from "../../../../provider/resource.ts";

type SharingInputs = InputsOf<typeof Sharing>;

export const sharing = implement(Sharing, {
  async drift(_id, state) {
    const region = new Region(state.region, quiet);
    const image = await findImage(region, state.image);
    // A missing image is detected by its own resource.
    if (!image) return "none";
    const members = image.visibility === "shared" ? await membersOf(region, image.id) : [];
    const same = image.visibility === state.visibility && members.join() === [...state.members].sort().join();
    return same ? "none" : "update";
  },

  async create(inputs, context) {
    await share(new Region(inputs.region, context), inputs);
    return { id: inputs.image, outputs: inputs };
  },

  async read(_id, state, context) {
    const region = new Region(state.region, context);
    const image = await findImage(region, state.image);
    if (!image) return undefined;
    const members = image.visibility === "shared" ? await membersOf(region, image.id) : [];
    return { ...state, visibility: image.visibility as SharingInputs["visibility"], members };
  },

  async update(_id, _state, inputs, context) {
    await share(new Region(inputs.region, context), inputs);
    return inputs;
  },

  async delete(_id, { region, image }, context) {
    const place = new Region(region, context);
    if (await findImage(place, image)) await share(place, { region, image, visibility: "private", members: [] });
  },
});

async function share(region: Region, { image: id, visibility, members }: SharingInputs): Promise<void> {
  const image = await findImage(region, id);
  if (!image) throw new UserError({ where: `image ${id} in ${region.name}`, found: "is gone, and can't be shared" });
  const path = `/images/${id}/members`;
  // Members can only be changed while an image is shared.
  const present = image.visibility === "shared" ? await membersOf(region, id) : [];
  for (const member of present.filter((each) => !members.includes(each))) {
    await region.remove("image", `${path}/${encodeURIComponent(member)}`);
  }
  await setProperties(region, image, { visibility });
  for (const member of members.filter((each) => !present.includes(each))) {
    await region.send({ service: "image", method: "POST", path, body: { member } });
  }
}

async function membersOf(region: Region, id: string): Promise<string[]> {
  type Members = { members: { member_id: string }[] };
  const asked = region.send<Members>({ service: "image", method: "GET", path: `/images/${id}/members` });
  const answer = await unlessMissing(asked);
  return (answer?.members ?? []).map(({ member_id }) => member_id).sort();
}
