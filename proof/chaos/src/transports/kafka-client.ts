import { registerHooks } from 'node:module'

const where = '/@platformatic/kafka/dist/utils.js'

/** What is appended there, where `ajv` is made. */
const compileWhenUsed = `
const compileNow = ajv.compile.bind(ajv)
ajv.compile = (schema) => {
  let compiled
  const validate = (data) => {
    compiled ??= compileNow(schema)
    const isValid = compiled(data)
    validate.errors = compiled.errors
    return isValid
  }
  return validate
}
`

/**
 * Loads the transport. Its client compiles forty validators of options as it is loaded, 0.6 of 1.2 s of computing, and a run starts
 * two hundred processes on two cores: here each is compiled when it is first used.
 */
export async function loadKafka(): Promise<typeof import('@acuse/kafka')> {
  const hooks = registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!url.endsWith(where)) return loaded
      const text =
        typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString()
      return { ...loaded, source: text + compileWhenUsed }
    },
  })
  try {
    return await import('@acuse/kafka')
  } finally {
    hooks.deregister()
  }
}
