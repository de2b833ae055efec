/** Where a client puts a token for the edge: in the query of a link, or in a header. Neither reaches the sandbox. */
export const TOKEN_QUERY = 'arc-token';
export const TOKEN_HEADER = 'arc-token';
