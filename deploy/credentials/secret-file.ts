/** Files that only their owner may read: written aside with mode 0600, fsynced, renamed. */
import { open, rename, rm } from "node:fs/promises";

export async function writeSecret(file: string, content: string | Uint8Array): Promise<void> {
  const aside = `${file}.new`;
  await rm(aside, { force: true });
  const handle = await open(aside, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
}
