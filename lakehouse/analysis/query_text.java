// Compiled at run time by janino, as plan_walk.java is.
// What a query's text alone says against giving it to the parser.

import org.antlr.v4.runtime.CharStreams;
import org.antlr.v4.runtime.Token;
import org.apache.spark.sql.catalyst.parser.SqlBaseLexer;
import org.apache.spark.sql.catalyst.parser.UpperCaseCharStream;

public class QueryText {
  private static final int MOST_PARTS = 64; // of a dotted name
  private static final int MOST_SETS = 1 << 12; // of columns to group by

  /**
   * Null if the text is one that the parser can be given. Its time grows with the square, or worse, of how deep
   * brackets, types, lambdas, names and paths go, and long before it could say that it is too much. It writes out the
   * sets of a CUBE in GROUPING SETS, and the zeros of a decimal with an exponent.
   */
  public static String refused(String text, int deepest) {
    SqlBaseLexer lexer = new SqlBaseLexer(new UpperCaseCharStream(CharStreams.fromString(text)));
    lexer.removeErrorListeners();
    int depth = 0;
    int types = 0;
    int arrows = 0;
    int colons = 0;
    int parts = 0;
    int cube = 0; // the depth that we are at inside of a CUBE
    int columns = 0; // of it
    double sets = 0;
    int last = Token.EOF;
    int beforeLast = Token.EOF;
    for (Token token = lexer.nextToken(); token.getType() != Token.EOF; token = lexer.nextToken()) {
      if (token.getChannel() != Token.DEFAULT_CHANNEL) continue;
      int type = token.getType();
      boolean closed = type == SqlBaseLexer.RIGHT_PAREN || type == SqlBaseLexer.RIGHT_BRACKET;
      boolean opened = type == SqlBaseLexer.LEFT_PAREN || type == SqlBaseLexer.LEFT_BRACKET;
      if (opened || type == SqlBaseLexer.CASE) depth++;
      if ((closed || type == SqlBaseLexer.END) && depth > 0) depth--;
      if (opened && last == SqlBaseLexer.CUBE) {
        cube = depth;
        columns = 1;
      }
      if (type == SqlBaseLexer.COMMA && depth == cube) columns++;
      if (closed && cube > depth) {
        sets += Math.pow(2, columns);
        cube = 0;
      }
      if (sets > MOST_SETS || isHuge(token.getText())) return "large\n";
      boolean typed = last == SqlBaseLexer.ARRAY || last == SqlBaseLexer.MAP || last == SqlBaseLexer.STRUCT;
      if (typed && type == SqlBaseLexer.LT) types++;
      if (type == SqlBaseLexer.ARROW) arrows++;
      if (type == SqlBaseLexer.COLON) colons++;
      if (type == SqlBaseLexer.DOT) parts = beforeLast == SqlBaseLexer.DOT ? parts + 1 : 1;
      if (depth > deepest || types > deepest || arrows > deepest || colons > 4 * deepest || parts > MOST_PARTS) {
        return "deep\n";
      }
      beforeLast = last;
      last = type;
    }
    return null;
  }

  /** Whether it is a number with an exponent of more than three digits. */
  private static boolean isHuge(String token) {
    char first = token.charAt(0);
    int exponent = token.toUpperCase().indexOf('E');
    if (exponent < 1 || !(first == '.' || (first >= '0' && first <= '9'))) return false;
    int digits = 0;
    for (int place = exponent + 1; place < token.length(); place++) {
      char character = token.charAt(place);
      if (character >= '0' && character <= '9') digits++;
    }
    return digits > 3;
  }
}
