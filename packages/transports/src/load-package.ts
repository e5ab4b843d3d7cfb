import { AcuseError, codeOf } from '@acuse/core'

/** Loads what may not be installed. Throws `ACUSE_MISSING_PACKAGE` with what to install; `names` are the packages it takes. */
export async function loadPackage<Module>(names: readonly string[], load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    if (codeOf(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause
    const message = `This needs ${names.join(' and ')}: npm install ${names.join(' ')}`
    throw new AcuseError('ACUSE_MISSING_PACKAGE', message, { cause })
  }
}
