// Binds a value of every kind through the JDBC driver for Flight SQL; prints what comes back, a fact a line.

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Properties;

public class JdbcTypes {
  interface Binding {
    void to(PreparedStatement statement) throws SQLException;
  }

  public static void main(String[] given) throws Exception {
    Properties login = new Properties();
    login.put("token", given[1]);
    login.put("useEncryption", "false");
    try (Connection connection = DriverManager.getConnection("jdbc:arrow-flight-sql://127.0.0.1:" + given[0], login)) {
      ask(connection, "int", "id = ?", statement -> statement.setInt(1, 2));
      ask(connection, "long", "CAST(id AS BIGINT) * 10000000000 = ?", statement -> statement.setLong(1, 20000000000L));
      ask(connection, "short", "CAST(id AS SMALLINT) = ?", statement -> statement.setShort(1, (short) 2));
      ask(connection, "double", "CAST(id AS DOUBLE) / 4 = ?", statement -> statement.setDouble(1, 0.5));
      ask(connection, "float", "CAST(id AS FLOAT) / CAST(4 AS FLOAT) = ?", statement -> statement.setFloat(1, 0.5f));
      ask(connection, "boolean", "(id = 2) = ?", statement -> statement.setBoolean(1, true));
      ask(connection, "decimal", "CAST(id AS DECIMAL(10, 2)) = ?",
          statement -> statement.setBigDecimal(1, new BigDecimal("2.00")));
      ask(connection, "string", "name = ?", statement -> statement.setString(1, "bob"));
      ask(connection, "quotes", "concat(name, '''') = ?", statement -> statement.setString(1, "bob'"));
      ask(connection, "binary", "encode(name, 'UTF-8') = ?", statement -> statement.setBytes(1, "bob".getBytes()));
      ask(connection, "date", "date_add(DATE '2026-01-01', CAST(id AS INT)) = ?",
          statement -> statement.setDate(1, Date.valueOf("2026-01-03")));
      ask(connection, "timestamp", "TIMESTAMP '2026-01-01 00:00:00 UTC' + make_interval(0, 0, 0, id) = ?",
          statement -> statement.setTimestamp(1, new Timestamp(1767398400000L)));
      ask(connection, "null", "(id = ?) IS NULL AND id = 2", statement -> statement.setNull(1, Types.INTEGER));
      ask(connection, "several", "id BETWEEN ? AND ? AND name LIKE ?", statement -> {
        statement.setInt(1, 2);
        statement.setInt(2, 3);
        statement.setString(3, "b%");
      });
    }
  }

  static void ask(Connection connection, String kind, String condition, Binding binding) {
    try (PreparedStatement statement = connection.prepareStatement("SELECT name FROM hr.emp WHERE " + condition)) {
      binding.to(statement);
      try (ResultSet rows = statement.executeQuery()) {
        StringBuilder found = new StringBuilder(kind);
        while (rows.next()) found.append(' ').append(rows.getString(1));
        System.out.println(found);
      }
    } catch (Exception error) {
      System.out.println(kind + " failed: " + error);
    }
  }
}
