import { chmod, lstat, mkdir } from 'node:fs/promises'

/**
 * Makes a folder that all may read and only this process's user may write; false where that cannot be. In a folder open to all (as /tmp),
 * somebody else may have made one of that name first, and must not get to choose the programs or data used from it.
 */
export async function makeOwnFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true })
    const found = await lstat(folder)
    if (!found.isDirectory()) return false
    if (process.getuid !== undefined && found.uid !== process.getuid()) return false
    await chmod(folder, 0o755)
    return true
  } catch {
    return false
  }
}
