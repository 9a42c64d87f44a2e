// Finds the parts of a sparse disk file that hold data. Node can't find holes (SEEK_HOLE); qemu-img can.
import { execa } from "execa";
import { inOption } from "../machine/qemu.ts";

interface Extent {
  start: number;
  length: number;
  zero: boolean;
  data: boolean;
}

/**
 * The blocks of a raw disk that may hold non-zero data.
 * @param blockSize Bytes.
 * @returns their indices, ascending.
 */
export async function dataBlocks(disk: string, blockSize: number, signal?: AbortSignal): Promise<number[]> {
  const source = `driver=raw,file.filename=${inOption(disk)}`;
  const { stdout } = await execa("qemu-img", ["map", "--output=json", "--image-opts", source], {
    cancelSignal: signal,
  });
  const extents = (JSON.parse(stdout) as Extent[]).filter(({ data, zero }) => data && !zero);
  const blocks: number[] = [];
  for (const { start, length } of extents) {
    const last = Math.floor((start + length - 1) / blockSize);
    for (let index = Math.max(Math.floor(start / blockSize), (blocks.at(-1) ?? -1) + 1); index <= last; index++) {
      blocks.push(index);
    }
  }
  return blocks;
}
