type OptionalKeys<Row> = {
  [Key in keyof Row]: null extends Row[Key] ? Key : never
}[keyof Row]

/** A row as the schema knows it: absent instead of `null`, and without `ordinal`. */
export type WithoutNulls<Row> = Omit<Row, OptionalKeys<Row> | 'ordinal'> & {
  [Key in OptionalKeys<Row>]?: NonNullable<Row[Key]>
}

/** Leaves out what SQL calls NULL, and the column that only orders the table. */
export function omitNulls<Row extends object>(row: Row): WithoutNulls<Row> {
  const present = Object.entries(row).filter(([key, value]) => value !== null && key !== 'ordinal')
  // Object.fromEntries forgets the keys; the filter above is what the type says.
  return Object.fromEntries(present) as WithoutNulls<Row>
}
