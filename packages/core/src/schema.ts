import { AcuseError } from './errors.ts'

/**
 * Any schema that follows Standard Schema v1 (zod 4, valibot, arktype, …).
 * The wire carries `Input`; handlers get `Output`.
 *
 * Source: https://standardschema.dev, specification 1.1.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/**
 * Checks `value` and returns the schema's output.
 * Throws `ACUSE_SCHEMA_MISMATCH` naming the subject and the first five paths that do not fit.
 */
export async function validate<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
  subject: string,
): Promise<Output> {
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return result.value
  throw new AcuseError('ACUSE_SCHEMA_MISMATCH', `${subject} does not match its schema: ${describe(result.issues)}`)
}

function describe(issues: readonly StandardIssue[]): string {
  const shown = issues.slice(0, 5).map((issue) => `${pathOf(issue)}: ${issue.message}`)
  const more = issues.length > shown.length ? [`and ${issues.length - shown.length} more`] : []
  return [...shown, ...more].join('; ')
}

function pathOf(issue: StandardIssue): string {
  const parts = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part))
  return parts.length === 0 ? '(root)' : parts.join('.')
}
