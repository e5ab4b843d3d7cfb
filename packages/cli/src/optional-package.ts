import { AcuseError, codeOf } from '@acuse/core'

/** Loads a package when a command needs it. Throws `ACUSE_MISSING_PACKAGE` with what to install. */
export async function loadPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    if (codeOf(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new AcuseError('ACUSE_MISSING_PACKAGE', `This needs ${name}: npm install ${name}`, { cause })
  }
}
