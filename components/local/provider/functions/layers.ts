// Functions for the layer cache: count the modules that a layer saves; list and remove layers.
import { join } from "node:path";
import { places } from "../../../../provider/kit/cache-folders.ts";
import { answer } from "../../../../provider/resource.ts";
import * as contract from "../../contract.ts";
import { countFromLayer, layerLimit, listLayers, removeLayer, removeLayerLeftovers } from "../layers/layer-store.ts";

export const findLayers = answer(contract.findLayers, async ({ base, size, loginUser, modules }) => {
  const place = { base: join((await places()).bases, base, "root"), size, loginUser };
  return { count: await countFromLayer(place, modules) };
});

export const layersFunction = answer(contract.layers, async ({ remove }, { progress }) => {
  const { layers: folder } = await places();
  await removeLayerLeftovers(progress);
  const found = await listLayers();
  if (remove) for (const each of found) await removeLayer(each.folder);
  const layers = found.map(({ folder: path, base, modules, createdAt, usedAt, own, bytes }) => {
    return { key: path.slice(folder.length + 1), base, modules, createdAt, usedAt, own, bytes };
  });
  return { folder, limit: layerLimit(), layers };
});
