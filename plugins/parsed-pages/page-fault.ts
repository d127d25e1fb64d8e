/** An error in the form in which calls to the outside fail, too. */
export interface PageFault extends Error {
  code: string
  /** Whether a later try may succeed. */
  passing: boolean
}

export const pageFault = (
  code: string,
  detail: string,
  { passing, cause }: { passing: boolean; cause?: unknown }
): PageFault => Object.assign(new Error(detail, { cause }), { code, passing })
