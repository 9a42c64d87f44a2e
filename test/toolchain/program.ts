// Writes ELF programs for amd64 that run a shell script. The launcher ignores scripts, so a fake Pulumi CLI must be a
// binary.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

const loadAddress = 0x400000n;
const headerSize = 64 + 56;

/**
 * Writes an executable that execs `/bin/sh SCRIPT ARGUMENTS...`, and the script beside it.
 * @param file The executable's path. Its folder is created.
 * @param script Lines of POSIX shell. `$0` is the script, `FILE.sh`.
 */
export async function writeProgram(file: string, script: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.sh`, `${script}\n`, { mode: 0o644 });
  await writeFile(file, program(`${file}.sh`), { mode: 0o755 });
}

function program(script: string): Buffer {
  const shell = Buffer.from("/bin/sh\0");
  // Initially the stack holds argc, argv[0], argv[1], ..., 0, and the environment. Overwrite argc and argv[0] with the
  // first two elements of the new argv.
  const code = (shellAt: number, scriptAt: number) => [
    [0x48, 0x8b, 0x04, 0x24], // mov rax, [rsp]
    [0x48, 0x8d, 0x54, 0xc4, 0x10], // lea rdx, [rsp+rax*8+16]
    [0x48, 0xc7, 0xc7, ...word(shellAt)], // mov rdi, shell
    [0x48, 0x89, 0x3c, 0x24], // mov [rsp], rdi
    [0x48, 0xc7, 0xc6, ...word(scriptAt)], // mov rsi, script
    [0x48, 0x89, 0x74, 0x24, 0x08], // mov [rsp+8], rsi
    [0x48, 0x89, 0xe6], // mov rsi, rsp
    [0xb8, 59, 0, 0, 0], // mov eax, execve
    [0x0f, 0x05], // syscall
    [0xbf, 127, 0, 0, 0], // mov edi, 127
    [0xb8, 60, 0, 0, 0], // mov eax, exit
    [0x0f, 0x05], // syscall
  ];
  const length = code(0, 0).flat().length;
  const shellAt = Number(loadAddress) + headerSize + length;
  const instructions = Buffer.from(code(shellAt, shellAt + shell.length).flat());
  const content = Buffer.concat([instructions, shell, Buffer.from(`${script}\0`)]);
  return Buffer.concat([headers(headerSize + content.length), content]);
}

function word(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255];
}

/** The ELF header, with one segment that contains the whole file (man 5 elf). */
function headers(size: number): Buffer {
  const header = Buffer.alloc(headerSize);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64 bits, little-endian, version 1
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(loadAddress + BigInt(headerSize), 24); // entry
  header.writeBigUInt64LE(64n, 32); // the segments' offset
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // loaded
  header.writeUInt32LE(5, 68); // readable, executable
  header.writeBigUInt64LE(loadAddress, 80);
  header.writeBigUInt64LE(loadAddress, 88);
  header.writeBigUInt64LE(BigInt(size), 96);
  header.writeBigUInt64LE(BigInt(size), 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return header;
}
